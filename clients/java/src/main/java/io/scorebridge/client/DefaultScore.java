package io.scorebridge.client;

/**
 * The default score of one output, which rows get if the model can't score them in time or at all. Immutable; may be
 * shared by threads. Only the client makes it, and a later release may add components: read it by its accessors.
 *
 * @param output the name of the output.
 * @param value a Double, String or Boolean, according to the output's type; null if only a newer client knows the kind
 *     of value.
 */
public record DefaultScore(String output, Object value) {
  /** Reads a gateway's message about an output's default score. */
  static DefaultScore read(io.scorebridge.v1.DefaultScore score) {
    return new DefaultScore(
        score.getOutput(),
        switch (score.getValueCase()) {
          case NUMBER -> score.getNumber();
          case TEXT -> score.getText();
          case TRUTH -> score.getTruth();
          case VALUE_NOT_SET -> null;
        });
  }
}
