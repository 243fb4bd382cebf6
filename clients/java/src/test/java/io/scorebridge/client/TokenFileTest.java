package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenFileTest {
  private static final String SECRET = "s3cret-of-a-test";

  @TempDir Path folder;

  private Path file(String content) throws Exception {
    return Files.write(folder.resolve("token"), content.getBytes(StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n", "\r\n"})
  void oneLineBreakBehindTheTokenIsNoneOfIt(String end) throws Exception {
    assertEquals(SECRET, new TokenFile(file(SECRET + end)).get());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "\n", SECRET + "\n\n", SECRET + "\nmore", " " + SECRET, "Bearer " + SECRET, SECRET + "\t", SECRET + "\r",
        SECRET + "\0", "\ufeff" + SECRET, SECRET + "é", SECRET + "\u007f"
      })
  void whatIsNoTokenIsRefusedByTheFilesNameAlone(String content) throws Exception {
    Path path = file(content);
    IllegalArgumentException raised = assertThrows(IllegalArgumentException.class, () -> new TokenFile(path));
    assertEquals(path + " holds no token: it must be one line of visible ASCII characters", raised.getMessage());
  }

  @Test
  void aTokenThatChangedIsSentWithTheNextCall() throws Exception {
    TokenFile token = new TokenFile(file(SECRET));
    for (int number = 0; number < 5; number++) { // all of one size, and within what clocks of file systems tell apart
      file("number-" + number);
      assertEquals("number-" + number, token.get());
    }
  }

  @Test
  void aMountedSecretOfKubernetesIsFollowed() throws Exception {
    for (String name : new String[] {"first", "second"}) {
      Files.createDirectory(folder.resolve(name));
      Files.writeString(folder.resolve(name).resolve("token"), name);
    }
    Path current = Files.createSymbolicLink(folder.resolve("..data"), Path.of("first"));
    Path mounted = Files.createSymbolicLink(folder.resolve("token"), Path.of("..data/token"));
    TokenFile token = new TokenFile(mounted);
    assertEquals("first", token.get());
    Path next = Files.createSymbolicLink(folder.resolve("..next"), Path.of("second"));
    Files.move(next, current, StandardCopyOption.ATOMIC_MOVE);
    assertEquals("second", token.get());
  }

  @Test
  void aFileThatHoldsNoTokenAnyMoreLeavesTheLastOne() throws Exception {
    TokenFile token = new TokenFile(file(SECRET));
    for (String content : new String[] {"", "two words"}) {
      file(content);
      assertEquals(SECRET, token.get());
    }
    Files.delete(folder.resolve("token"));
    assertEquals(SECRET, token.get());
    file("another");
    assertEquals("another", token.get());
    assertFalse(token.toString().contains("another"));
  }
}
