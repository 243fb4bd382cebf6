package io.scorebridge.client;

/** What the protocol's enums are called here. May be used by any thread. */
final class EnumNames {
  private EnumNames() {}

  /**
   * The UPPER_SNAKE name of a value without its prefix, such as READY; a newer gateway may send a value that has no
   * name here, which is then named by its number, such as UNKNOWN_8.
   *
   * @param prefix what all names of the enum begin with, such as "VERSION_STATE_".
   * @param unnamed what stands before the number of a value without a name, such as "UNKNOWN_".
   * @param number the value's number as it was sent.
   */
  static String of(Enum<?> value, String prefix, String unnamed, int number) {
    return value.name().equals("UNRECOGNIZED") ? unnamed + number : value.name().substring(prefix.length());
  }
}
