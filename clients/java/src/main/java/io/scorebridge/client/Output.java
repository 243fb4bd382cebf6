package io.scorebridge.client;

import java.util.Set;

/**
 * One output of a model: a named score for each row. Immutable; may be shared by threads. Only the client makes it, and
 * a later release may add components: read it by its accessors.
 *
 * @param name the output's name, which {@link Scores#scores(String)}, {@link Scores#longs} or {@link Scores#texts}
 *     takes.
 * @param type DOUBLE, FLOAT, INT, INT64, BOOL, STRING or FACTOR; null if the gateway does not know the type. A type
 *     that only a newer client knows is named by its number, such as UNKNOWN_8.
 * @param additional true if the output explains the scores (contributions, leaves, reasons); it is missing in rows that
 *     have a default score.
 */
public record Output(String name, String type, boolean additional) {
  private static final Set<String> TEXTS = Set.of("STRING", "FACTOR");

  /** Reads a gateway's message about an output. */
  static Output read(io.scorebridge.v1.OutputColumn output) {
    return new Output(
        output.getName(), Feature.type(output.getType(), output.getTypeValue()), output.getAdditional());
  }

  /** Whether the output is text, rather than numbers or truth values. */
  boolean isText() {
    return type != null && TEXTS.contains(type);
  }
}
