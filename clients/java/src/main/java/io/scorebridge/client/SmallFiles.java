package io.scorebridge.client;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads small files that others may have put there: regular files only, each up to a limit. May be used by threads. */
final class SmallFiles {
  private SmallFiles() {}

  /**
   * Reads a whole regular file, also through links; never waits for the other end of a FIFO.
   *
   * @throws IllegalArgumentException if it is not a regular file, or has more than {@code mostBytes}; the message names
   *     the file.
   * @throws UncheckedIOException if it can't be read.
   */
  static byte[] read(Path path, int mostBytes) {
    try {
      if (Files.exists(path) && !Files.isRegularFile(path)) {
        throw new IllegalArgumentException(path + " is not a regular file");
      }
      try (InputStream file = Files.newInputStream(path)) {
        byte[] content = file.readNBytes(mostBytes + 1);
        if (content.length > mostBytes) {
          throw new IllegalArgumentException(path + " is larger than " + mostBytes + " bytes");
        }
        return content;
      }
    } catch (IOException error) {
      throw new UncheckedIOException(path + " can't be read: " + error.getMessage(), error);
    }
  }
}
