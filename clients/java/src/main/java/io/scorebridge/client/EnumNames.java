package io.scorebridge.client;

/** Names the values of the protocol's enums for callers. May be used by any thread. */
final class EnumNames {
  private EnumNames() {}

  /**
   * Returns the UPPER_SNAKE name of a value without its prefix, such as READY. A value that only a newer client knows
   * is named by its number, such as UNKNOWN_8.
   *
   * @param prefix the prefix of all names of the enum, such as "VERSION_STATE_".
   * @param unnamed the prefix of the number of a value without a name, such as "UNKNOWN_".
   * @param number the value's number as it was sent.
   */
  static String of(Enum<?> value, String prefix, String unnamed, int number) {
    return value.name().equals("UNRECOGNIZED") ? unnamed + number : value.name().substring(prefix.length());
  }
}
