package io.scorebridge.client;

import io.scorebridge.v1.ColumnType;
import java.util.List;

/**
 * One input of a model. Immutable; may be shared by threads. Made by the client: a newer one may have further
 * components, so read it by its accessors.
 *
 * @param name the name that the model has for the feature, case and blanks included.
 * @param type DOUBLE, INT, INT64, BOOL, STRING or FACTOR (a text of a fixed set of levels); null if nobody declared it,
 *     and the caller's own type is passed on. A type that only a newer client knows is named by its number, such as
 *     UNKNOWN_8.
 * @param levels the levels of a factor, or of numbers that are categories, in the model's order; empty for other
 *     features.
 * @param required true if the model has no default for the feature, so that each call must send it.
 * @param ordered true of a factor whose levels have a rank.
 * @param unknownLevel what a value that is none of the levels does: "refuse" refuses the call, "missing" makes the
 *     value missing, "default" answers the row with the default score; empty for a feature without levels.
 */
public record Feature(
    String name, String type, List<String> levels, boolean required, boolean ordered, String unknownLevel) {
  /** What a gateway says of a feature. */
  static Feature read(io.scorebridge.v1.Feature feature) {
    return new Feature(
        feature.getName(),
        type(feature.getType(), feature.getTypeValue()),
        List.copyOf(feature.getLevelsList()),
        feature.getRequired(),
        feature.getOrdered(),
        feature.getUnknownLevel());
  }

  /** The name of a column's type; null for one that was not declared. */
  static String type(ColumnType type, int number) {
    return type == ColumnType.COLUMN_TYPE_UNSPECIFIED ? null : EnumNames.of(type, "COLUMN_TYPE_", "UNKNOWN_", number);
  }
}
