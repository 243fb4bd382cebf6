package io.scorebridge.client;

import java.time.Duration;

/**
 * One call that has ended, for metrics; a big batch that is sent in chunks ends once for each chunk. Immutable; may be
 * shared by threads.
 *
 * @param requestId the call's id; a chunk has the batch's, a slash and the number of its first row.
 * @param model the model's name, as the caller gave it.
 * @param rows how many rows the call had.
 * @param elapsed how long the call took, from its beginning in the client to its end.
 * @param source where the scores come from; null if the call ended with an error.
 * @param reason why the client gave its default or raised an error, as an UPPER_SNAKE name; null for an answer of the
 *     gateway.
 */
public record CallEvent(String requestId, String model, int rows, Duration elapsed, Source source, String reason) {}
