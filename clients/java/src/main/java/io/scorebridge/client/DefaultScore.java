package io.scorebridge.client;

/**
 * What rows get for one output where the model can't score them in time. Immutable; may be shared by threads. Made by
 * the client: a newer one may have further components, so read it by its accessors.
 *
 * @param output the name of the output.
 * @param value a Double, String or Boolean, as the output is; null if it is of a kind that only a newer client knows.
 */
public record DefaultScore(String output, Object value) {
  /** What a gateway says of an output's default score. */
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
