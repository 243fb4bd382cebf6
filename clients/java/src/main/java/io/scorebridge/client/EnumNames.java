package io.scorebridge.client;

/** What the protocol's enums are called here. May be used by any thread. */
final class EnumNames {
  private EnumNames() {}

  /**
   * The UPPER_SNAKE name of a value without its prefix, such as DEADLINE; a newer gateway may send one that has no name
   * here, which is then its kind and number, such as REASON_12.
   *
   * @param prefix what all names of the enum begin with, such as "DEFAULT_REASON_".
   * @param kind of an unnamed value, such as "REASON".
   * @param number as it was sent.
   */
  static String of(Enum<?> value, String prefix, String kind, int number) {
    return value.name().equals("UNRECOGNIZED") ? kind + "_" + number : value.name().substring(prefix.length());
  }
}
