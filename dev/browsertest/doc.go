// Package browsertest votes in the Temporal UI as people do: with a browser.
// Its tests run a development instance and Debian's Chromium, which Node
// drives with playwright-core. They are behind the build tag browser, so that
// all other tests need neither:
//
//	make test-browser
//
// What was seen at each step is kept in .sallyport/browser of the repository
// until the next run, and more of it when something went wrong.
package browsertest
