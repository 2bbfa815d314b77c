package instancetest_test

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// seeded is an instance whose repository has a deployment of 3 replicas per
// target, such as "staging/api". It doesn't run yet.
func seeded(t *testing.T, targets ...string) *instancetest.Instance {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{}
	for _, target := range targets {
		namespace, name, _ := strings.Cut(target, "/")
		files[target+".yaml"] = fmt.Appendf(nil,
			"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  replicas: 3\n", name, namespace)
	}
	if err := gitops.Init(filepath.Join(dir, "demo.git"), "main", files); err != nil {
		t.Fatal(err)
	}
	return instancetest.New(t, instancetest.Options{Dir: dir})
}

// commits counts the commits of each call, by their trailers.
func commits(t *testing.T, i *instancetest.Instance) map[string]int {
	t.Helper()
	return commitsIn(t, i.Path("demo.git"))
}

func commitsIn(t *testing.T, repository string) map[string]int {
	t.Helper()
	repo, err := git.PlainOpen(repository)
	if err != nil {
		t.Fatal(err)
	}
	all, err := repo.Log(&git.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]int{}
	err = all.ForEach(func(c *object.Commit) error {
		for lines := bufio.NewScanner(strings.NewReader(c.Message)); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "Sallyport-Call: "); ok {
				by[id]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return by
}
