//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAsOrdinaryUser runs the other tests again as user 65534, which owns
// nothing and has no privileges, if they just ran as root.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they have just run as an ordinary user
	}
	dir := publicDir(t)
	for name, source := range map[string]string{"sandbox.test": self(t), "executor": executor("executor"), "toolexec": executor("toolexec")} {
		copyProgram(t, filepath.Join(dir, name), source)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), filepath.Join(dir, "sandbox.test"), "-test.v", "-test.count=1")
	again.Dir = dir
	again.Env = []string{envExecutors + "=" + dir, "TMPDIR=" + tmp}
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	wantEscapesHeld(t, again)
}

// TestWithoutProc runs the tests again with a part of /proc covered, as in
// containers: the kernel then forbids to mount another /proc.
func TestWithoutProc(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can cover it; TestAsOrdinaryUser ran as root
	}
	again := exec.CommandContext(t.Context(), self(t), "-test.v", "-test.count=1", "-test.run=^(TestEscape|TestRunner|TestGatewayKilled)$")
	again.Env = append(os.Environ(), envCover+"=/proc/sys")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	wantEscapesHeld(t, again)
}

// cover hides a directory in this process's own mount namespace.
func cover(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "")
}

func wantEscapesHeld(t *testing.T, again *exec.Cmd) {
	t.Helper()
	out, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestEscape/read_host_file")) {
		t.Errorf("again: %v\n%s", err, out)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func copyProgram(t *testing.T, target, source string) {
	t.Helper()
	in, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}
