// Package notify delivers notifications by webhook: as CloudEvents 1.0 in
// structured mode, signed as the Standard Webhooks specification has it.
//
// A receiver verifies the signature over the bytes that it got before it reads
// them, refuses timestamps that are minutes off, and recognises a repetition by
// the event's id. The architecture document has a recipe.
package notify
