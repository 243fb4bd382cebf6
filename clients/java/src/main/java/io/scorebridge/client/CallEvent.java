package io.scorebridge.client;

import java.time.Duration;

/**
 * One call that has ended, for metrics; a big batch that is sent in chunks ends once for each chunk.
 *
 * @param requestId the call's id.
 * @param model the model's name.
 * @param rows how many rows it had.
 * @param elapsed from the call to its end.
 * @param source of the scores; null if the call ended with an error.
 * @param reason why the client gave its default or raised an error, as an UPPER_SNAKE name; null for an answer of the
 *     gateway.
 */
public record CallEvent(String requestId, String model, int rows, Duration elapsed, Source source, String reason) {}
