package io.scorebridge.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Supplies the token that a file holds, and reads the file again when it has changed. The file holds one line of
 * visible ASCII characters and at most {@value #MOST_BYTES} bytes. Links are followed, so that a mounted secret of
 * Kubernetes works. If the changed file can't be read or holds no token, the last token is supplied, and the fault is
 * logged once. No message holds a token. May be shared by threads.
 */
final class TokenFile implements Supplier<String> {
  private static final System.Logger LOG = System.getLogger(TokenFile.class.getName());
  private static final int MOST_BYTES = 4096; // as a gateway takes it

  // A file that was written later may change again without another time or size.
  private static final Duration SETTLED = Duration.ofSeconds(2);

  private final Path path;
  private volatile Known known;
  private volatile String fault = "";

  /** A token, and the attributes of the file when it was read; null if the file may still change unnoticed. */
  private record Known(String token, Map<String, Object> attributes) {}

  /**
   * Reads the token.
   *
   * @throws IllegalArgumentException if the file holds no token, is too large or is not a regular file; the message
   *     names it.
   * @throws UncheckedIOException if the file can't be read.
   */
  TokenFile(Path path) {
    this.path = path;
    this.known = read();
  }

  /** Returns the token that the file holds now, or the last one that it held. */
  @Override
  public String get() {
    try {
      if (known.attributes() == null || !attributes().equals(known.attributes())) {
        known = read();
        fault = "";
      }
    } catch (UncheckedIOException | IllegalArgumentException error) {
      say(error.getMessage());
    }
    return known.token();
  }

  private Known read() {
    Map<String, Object> found = Files.exists(path) ? attributes() : null; // a missing file is told of by what reads it
    byte[] raw = SmallFiles.read(path, MOST_BYTES);
    String line = new String(raw, StandardCharsets.ISO_8859_1).replaceFirst("\r?\n\\z", "");
    if (!line.matches("[\\x21-\\x7e]+")) {
      throw new IllegalArgumentException(path + " holds no token: it must be one line of visible ASCII characters");
    }
    return new Known(line, found == null || !isSettled(found) ? null : found);
  }

  private Map<String, Object> attributes() {
    boolean unix = path.getFileSystem().supportedFileAttributeViews().contains("unix");
    String names = unix ? "unix:dev,ino,size,lastModifiedTime,ctime" : "basic:fileKey,size,lastModifiedTime";
    try {
      return Files.readAttributes(path, names);
    } catch (IOException error) {
      throw new UncheckedIOException(path + " can't be read: " + error.getMessage(), error);
    }
  }

  private static boolean isSettled(Map<String, Object> attributes) {
    Instant before = Instant.now().minus(SETTLED);
    return attributes.values().stream()
        .allMatch(one -> !(one instanceof FileTime time) || time.toInstant().isBefore(before));
  }

  private void say(String found) {
    if (!found.equals(fault)) {
      LOG.log(System.Logger.Level.ERROR, found + "; calls go on with the last token");
    }
    fault = found;
  }
}
