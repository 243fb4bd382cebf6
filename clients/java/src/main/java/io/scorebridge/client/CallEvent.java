package io.scorebridge.client;

import java.time.Duration;

/**
 * One call that has ended, for metrics; of a big batch that is sent in chunks, one event for each chunk. Immutable; may
 * be shared by threads.
 *
 * @param requestId the call's id; a chunk's is the batch's id, a slash and the number of the chunk's first row.
 * @param model the model's name, as the caller gave it.
 * @param rows the number of rows in the call.
 * @param elapsed the time from the beginning of the call in the client to its end.
 * @param source where the scores come from; null if the call ended with an error.
 * @param reason why the client gave its default score or raised an error, as an UPPER_SNAKE name; null if a gateway
 *     gave the scores.
 */
public record CallEvent(String requestId, String model, int rows, Duration elapsed, Source source, String reason) {}
