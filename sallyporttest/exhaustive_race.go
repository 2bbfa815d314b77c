//go:build race

package sallyporttest

const raceDetector = true
