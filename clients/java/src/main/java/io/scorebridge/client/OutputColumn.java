package io.scorebridge.client;

import java.util.Set;

/**
 * One column of a model's answers. Immutable; may be shared by threads. Made by the client: a newer one may have further
 * components, so read it by its accessors.
 *
 * @param name the name that {@link Scores#scores(String)} or {@link Scores#texts} takes.
 * @param type DOUBLE, FLOAT, INT, BOOL, STRING or FACTOR; a type that a newer gateway has may have no name here, and is then
 *     its number, such as TYPE_8.
 * @param additional true of a column that explains the scores: contributions, leaves and reasons. It is missing in rows that
 *     have a default score.
 */
public record OutputColumn(String name, String type, boolean additional) {
  private static final Set<String> TEXTS = Set.of("STRING", "FACTOR");

  /** What a gateway says of an output. */
  static OutputColumn read(io.scorebridge.v1.OutputColumn output) {
    return new OutputColumn(
        output.getName(), Feature.type(output.getType(), output.getTypeValue()), output.getAdditional());
  }

  /** Whether the column is text, rather than numbers or truth values. */
  boolean isText() {
    return TEXTS.contains(type);
  }
}
