package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EnvironmentTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});

  @TempDir Path folder;

  private static String refused(Map<String, String> variables) {
    return assertThrows(
            IllegalArgumentException.class, () -> Environment.builder(variables).build().close(), variables::toString)
        .getMessage();
  }

  private String file(String name, String content) throws Exception {
    return Files.writeString(folder.resolve(name), content).toString();
  }

  @Test
  void aClientOfTheEnvironmentShowsItsCertificateAndToken() throws Exception {
    World world = World.get();
    Map<String, String> variables =
        Map.of(
            "SCOREBRIDGE_URL", "grpcs://" + world.target("secure"),
            "SCOREBRIDGE_TOKEN_FILE", file("token", world.token() + "\n"),
            "SCOREBRIDGE_TLS_CA", world.certificate().getPath(),
            "SCOREBRIDGE_CLIENT_CERT", world.certificate().getPath(),
            "SCOREBRIDGE_CLIENT_KEY", world.key().getPath(),
            "SCOREBRIDGE_TIMEOUT_S", "20.5");
    ScoringClient.Builder builder = Environment.builder(variables);
    assertEquals(Duration.ofMillis(20_500), builder.timeout);
    try (ScoringClient client = builder.build()) {
      assertArrayEquals(new double[] {1}, client.score("needs-token", ONE).scores());
    }
    try (ScoringClient client = Environment.builder(variables).token(() -> "another").build()) {
      assertThrows(ScoringException.Unauthenticated.class, () -> client.score("needs-token", ONE));
    }
  }

  @Test
  void filesForTlsEncryptWithoutAScheme() throws Exception {
    World world = World.get();
    Map<String, String> variables = new TreeMap<>();
    variables.put("SCOREBRIDGE_URL", world.target("secure"));
    variables.put("SCOREBRIDGE_TLS_CA", world.certificate().getPath());
    variables.put("SCOREBRIDGE_CLIENT_CERT", world.certificate().getPath());
    variables.put("SCOREBRIDGE_CLIENT_KEY", world.key().getPath());
    variables.put("SCOREBRIDGE_TIMEOUT_S", "20");
    try (ScoringClient client = Environment.builder(variables).build()) {
      assertArrayEquals(new double[] {1}, client.score("any", ONE).scores());
    }
    variables.put("SCOREBRIDGE_URL", "grpc://" + world.target("secure"));
    assertTrue(refused(variables).contains("asks for plain text, but there are settings for TLS"));
  }

  @Test
  void anEmptyVariableIsNotSet() throws Exception {
    Map<String, String> variables =
        Map.of(
            "SCOREBRIDGE_URL", "grpc://" + World.get().target("status"),
            "SCOREBRIDGE_TOKEN_FILE", "",
            "SCOREBRIDGE_TLS_CA", "",
            "SCOREBRIDGE_CLIENT_KEY", "",
            "SCOREBRIDGE_TIMEOUT_S", "",
            "SCOREBRIDGE_TLS_KEY", "of the gateway");
    try (ScoringClient client = Environment.builder(variables).timeout(Duration.ofSeconds(20)).build()) {
      assertArrayEquals(new double[] {1}, client.score("any", ONE).scores());
    }
    assertTrue(refused(Map.of("SCOREBRIDGE_URL", "")).startsWith("the environment variable SCOREBRIDGE_URL is not set"));
    assertTrue(refused(Map.of()).startsWith("the environment variable SCOREBRIDGE_URL is not set"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "http://gateway:8081 | begins with http://",
        "tcp://gateway:8081 | has the scheme 'tcp'",
        "grpcs://gateway | has no port",
        "grpcs://gateway:8081/ | more than hosts and ports",
        "grpc://dns:///gateway:8081 | more than hosts and ports",
        "grpcs:// | blank",
        "grpcs://a:1,grpcs://b:2 | more than hosts and ports",
      })
  void anotherFormOfUrlIsRefused(String url, String why) {
    String said = refused(Map.of("SCOREBRIDGE_URL", url));
    assertTrue(said.contains(why), said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "nan", "inf", "1_0", "0.5s", " 1", "1e3", "٣", "100000001", "0x1", "11111111111"})
  void anotherTimeoutIsRefused(String text) {
    String said = refused(Map.of("SCOREBRIDGE_URL", "a:1", "SCOREBRIDGE_TIMEOUT_S", text));
    assertTrue(said.startsWith("SCOREBRIDGE_TIMEOUT_S must be"), said);
  }

  @Test
  void filesThatAreNoCertificatesAreRefusedByName() throws Exception {
    String text = file("text", "no certificate");
    String certificate = World.get().certificate().getPath();
    String key = World.get().key().getPath();
    Map<String, String> where = Map.of("SCOREBRIDGE_URL", "a:1");
    assertEquals(text + " holds no certificate in PEM", refused(with(where, "SCOREBRIDGE_TLS_CA", text)));
    assertEquals(key + " holds no certificate in PEM", refused(with(where, "SCOREBRIDGE_TLS_CA", key)));
    assertTrue(refused(with(where, "SCOREBRIDGE_CLIENT_CERT", certificate)).contains("or neither"));
    assertTrue(refused(with(where, "SCOREBRIDGE_CLIENT_KEY", key)).contains("or neither"));
    Map<String, String> pair = with(where, "SCOREBRIDGE_CLIENT_CERT", certificate);
    String said = refused(with(pair, "SCOREBRIDGE_CLIENT_KEY", text));
    assertEquals(
        certificate + " and " + text + " are not a certificate and its key in PEM (PKCS 8, without a password)", said);
    String other = folder.resolve("other").toString();
    String[] made = {"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other};
    assertEquals(0, new ProcessBuilder(made).start().waitFor());
    assertTrue(refused(with(pair, "SCOREBRIDGE_CLIENT_KEY", other)).startsWith(certificate + " and " + other));
  }

  @ParameterizedTest
  @ValueSource(strings = {"SCOREBRIDGE_TLS_CA", "SCOREBRIDGE_TOKEN_FILE"})
  void whatIsNoFileOfItsSizeIsRefusedByNameAndNotWaitedFor(String variable) throws Exception {
    Path fifo = folder.resolve("fifo");
    assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
    Path endless = Files.createSymbolicLink(folder.resolve("endless"), Path.of("/dev/zero"));
    Path large = Path.of(file("large", "x".repeat((1 << 20) + 1)));
    Map<String, String> where = Map.of("SCOREBRIDGE_URL", "localhost:1");
    assertEquals(fifo + " is not a regular file", refused(with(where, variable, fifo.toString())));
    assertEquals(endless + " is not a regular file", refused(with(where, variable, endless.toString())));
    assertEquals(folder + " is not a regular file", refused(with(where, variable, folder.toString())));
    assertTrue(refused(with(where, variable, large.toString())).startsWith(large + " is larger than "));
    Map<String, String> nowhere = with(where, variable, folder.resolve("nowhere").toString());
    UncheckedIOException raised = assertThrows(UncheckedIOException.class, () -> Environment.builder(nowhere));
    assertTrue(raised.getMessage().startsWith(folder.resolve("nowhere").toString()), raised.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gateway:1", "10.0.0.1:1", "[fe80::1]:1", "0.0.0.0:1", "[::]:1", "localhost.example:1", "127.0.0.1.example:1",
        "localhost:1,gateway:2", "dns:///gateway:1", "dns://8.8.8.8/localhost:1", "127.1:1", "2130706433:1",
        "[::ffff:10.0.0.1]:1", "dns:gateway"
      })
  void aTokenIsNotSentOffThisMachineInPlainText(String target) throws Exception {
    assertFalse(Targets.areLocal(target));
    IllegalArgumentException raised =
        assertThrows(
            IllegalArgumentException.class, () -> ScoringClient.newBuilder(target).token(() -> "s3cret").build());
    assertTrue(raised.getMessage().startsWith("a token is not sent to the target '" + target + "' in plain text"));
    Map<String, String> variables = Map.of("SCOREBRIDGE_URL", target, "SCOREBRIDGE_TOKEN_FILE", file("t", "s3cret"));
    String said = refused(variables);
    assertTrue(said.startsWith("a token is not sent to the target '" + target + "'") && !said.contains("s3cret"), said);
    ScoringClient.newBuilder(target).tls().token(() -> "s3cret").build().close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1",
        "dns:///localhost:1", "dns:///127.0.0.1:1", "localhost:1,[::1]:2", "unix:/run/gateway.sock"
      })
  void aTokenMayBeSentOnThisMachine(String target) {
    assertTrue(Targets.areLocal(target));
  }

  @Test
  void aTokenOnThisMachineGoesThroughNoProxy() throws Exception {
    String before = System.setProperty("https.proxyHost", "127.0.0.1");
    System.setProperty("https.proxyPort", "9");
    System.setProperty("http.nonProxyHosts", "nobody");
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("status")).token(World.get()::token).build()) {
      ScoreOptions patient = ScoreOptions.newBuilder().timeout(Duration.ofSeconds(20)).build();
      assertArrayEquals(new double[] {1}, client.score("needs-token", ONE, patient).scores());
    } finally {
      for (String name : new String[] {"https.proxyHost", "https.proxyPort", "http.nonProxyHosts"}) {
        System.clearProperty(name);
      }
    }
    assertEquals(null, before);
  }

  private static Map<String, String> with(Map<String, String> variables, String name, String value) {
    Map<String, String> more = new TreeMap<>(variables);
    more.put(name, value);
    return more;
  }
}
