// Package instancetest runs development instances for tests: the real
// `sallyport-dev up`, Temporal server and all, as a process that can be killed
// and started again on the same state.
//
//	i := instancetest.Start(t, instancetest.Options{})
//	bot, bob := i.Client(t, "deploy-bot"), i.Client(t, "bob")
//	…
//	i.Kill(t)
//	i.Restart(t)
//
// The programs are built once, without the race detector; the tests
// themselves import no server and can have it.
package instancetest
