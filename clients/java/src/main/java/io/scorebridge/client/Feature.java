package io.scorebridge.client;

import io.scorebridge.v1.ColumnType;
import java.util.List;

/**
 * One input of a model. Immutable; may be shared by threads. Only the client makes it, and a later release may add
 * components: read it by its accessors.
 *
 * @param name the feature's name, as the model has it, case and blanks included.
 * @param type DOUBLE, INT, INT64, BOOL, STRING or FACTOR (a text of a fixed set of levels); null if the bundle does not
 *     declare the type, so that the type which a caller sends is passed on. A type that only a newer client knows is
 *     named by its number, such as UNKNOWN_8.
 * @param levels the levels of a factor, or of numbers that are categories, in the model's order; empty for other
 *     features.
 * @param required true if every call must send the feature: the model has no default for it, and its settings don't
 *     name it as one that is looked up.
 * @param ordered true if the feature is a factor whose levels have a rank.
 * @param unknownLevel what happens to a value that is none of the levels: "refuse" refuses the call, "missing" makes
 *     the value missing, "default" gives the row the default score; empty for a feature without levels.
 */
public record Feature(
    String name, String type, List<String> levels, boolean required, boolean ordered, String unknownLevel) {
  /** Reads a gateway's message about a feature. */
  static Feature read(io.scorebridge.v1.Feature feature) {
    return new Feature(
        feature.getName(),
        type(feature.getType(), feature.getTypeValue()),
        List.copyOf(feature.getLevelsList()),
        feature.getRequired(),
        feature.getOrdered(),
        feature.getUnknownLevel());
  }

  /** Returns the name of a column's type; null if the type was not declared. */
  static String type(ColumnType type, int number) {
    return type == ColumnType.COLUMN_TYPE_UNSPECIFIED ? null : EnumNames.of(type, "COLUMN_TYPE_", "UNKNOWN_", number);
  }
}
