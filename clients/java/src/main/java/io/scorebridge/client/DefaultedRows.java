package io.scorebridge.client;

/**
 * Neighbouring rows that carry a default score.
 *
 * @param first the first of them, counted from 0.
 * @param count how many.
 * @param reason the event as an UPPER_SNAKE name, such as DEADLINE or CLIENT_CIRCUIT_OPEN.
 * @param detail the event in a sentence.
 * @param byClient true where this client gave them, because the gateway gave no answer.
 */
public record DefaultedRows(int first, int count, String reason, String detail, boolean byClient) {
  DefaultedRows movedBy(int rows) {
    return new DefaultedRows(first + rows, count, reason, detail, byClient);
  }
}
