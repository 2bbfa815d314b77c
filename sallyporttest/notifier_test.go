package sallyporttest_test

import (
	"testing"

	"github.com/sallyport/sallyport/sallyporttest"
)

func TestInbox(t *testing.T) {
	sallyporttest.TestNotifier(t, func(*testing.T) sallyporttest.NotifierSubject {
		b := &sallyporttest.Inbox{}
		return sallyporttest.NotifierSubject{Notifier: b, Respond: b.Respond, Taken: b.Taken}
	})
}
