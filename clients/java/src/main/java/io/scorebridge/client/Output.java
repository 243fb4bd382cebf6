package io.scorebridge.client;

import java.util.Set;

/**
 * One column of a model's answers. Immutable; may be shared by threads. Made by the client: a newer one may have
 * further components, so read it by its accessors.
 *
 * @param name the name that {@link Scores#scores(String)} or {@link Scores#texts} takes.
 * @param type DOUBLE, FLOAT, INT, INT64, BOOL, STRING or FACTOR; null if it is not known. A type that only a newer
 *     client knows is named by its number, such as UNKNOWN_8.
 * @param additional true of a column that explains the scores: contributions, leaves and reasons. It is missing in rows
 *     that have a default score.
 */
public record Output(String name, String type, boolean additional) {
  private static final Set<String> TEXTS = Set.of("STRING", "FACTOR");

  /** What a gateway says of an output. */
  static Output read(io.scorebridge.v1.OutputColumn output) {
    return new Output(
        output.getName(), Feature.type(output.getType(), output.getTypeValue()), output.getAdditional());
  }

  /** Whether the column is text, rather than numbers or truth values. */
  boolean isText() {
    return type != null && TEXTS.contains(type);
  }
}
