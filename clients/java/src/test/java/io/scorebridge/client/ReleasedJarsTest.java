package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The clients of earlier releases, in tests/compatibility, ask the gateway of today. */
class ReleasedJarsTest {
  private static final Path RELEASES = World.CLIENTS.resolve("../tests/compatibility").normalize();

  @TempDir Path folder;

  /** What an application does that was built with the first release and goes on; loaded anew with each client. */
  public static final class Application implements Function<String, List<Object>> {
    @Override
    public List<Object> apply(String target) {
      try (ScoringClient client = ScoringClient.newBuilder(target).timeout(Duration.ofSeconds(30)).build()) {
        Scores scored = client.score("affine", Batch.columns().doubles("b", 2).doubles("a", 1).build());
        Scores defaulted = client.score("guarded", Batch.of(new double[][] {{1, 2}, {99, 2}}));
        return List.of(
            scored.source().name(),
            scored.scores()[0],
            defaulted.source().name(),
            defaulted.scores()[0],
            defaulted.scores()[1],
            defaulted.reason(1).orElse(""),
            refusal(client, "affine", Batch.columns().doubles("a", 1).build()),
            refusal(client, "nobody", Batch.of(new double[][] {{1, 2}})),
            ScoringClient.class.getProtectionDomain().getCodeSource().getLocation());
      }
    }

    private static String refusal(ScoringClient client, String model, Batch batch) {
      try {
        return client.score(model, batch).model();
      } catch (ScoringException refused) {
        return refused.getClass().getSimpleName() + " " + refused.reason();
      }
    }
  }

  @TestFactory
  List<DynamicTest> asks() throws IOException {
    try (Stream<Path> releases = Files.list(RELEASES)) {
      List<DynamicTest> tests = new ArrayList<>();
      for (Path packed : releases.map(one -> one.resolve("java-client.tar.xz")).filter(Files::exists).sorted().toList()) {
        tests.add(DynamicTest.dynamicTest(packed.getParent().getFileName().toString(), () -> run(packed)));
      }
      assertFalse(tests.isEmpty());
      return tests;
    }
  }

  private void run(Path packed) throws Exception {
    Path classes = Files.createDirectory(folder.resolve(packed.getParent().getFileName()));
    Process unpacked =
        new ProcessBuilder(World.python(), "-m", "tarfile", "-e", packed.toString(), classes.toString())
            .inheritIO()
            .start();
    assertEquals(0, unpacked.waitFor());
    assertEquals(
        List.of(
            "MODEL",
            5.0,
            "MIXED",
            5.0,
            -1.0,
            "MODEL_ERROR",
            "InvalidRequest INVALID_REQUEST",
            "ModelNotFound MODEL_NOT_FOUND",
            classes.toUri().toURL()),
        application(classes).apply(World.get().target("healthy")));
  }

  /** The application with the client in this folder in the place of today's. */
  private static Function<String, List<Object>> application(Path classes) throws Exception {
    URL todays = ScoringClient.class.getProtectionDomain().getCodeSource().getLocation();
    List<URL> path = new ArrayList<>(List.of(classes.toUri().toURL()));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      URL url = Path.of(entry).toUri().toURL();
      if (!url.equals(todays)) {
        path.add(url);
      }
    }
    // Not closed: threads of the network library live longer than the client.
    ClassLoader loader = new URLClassLoader(path.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    @SuppressWarnings("unchecked")
    var application =
        (Function<String, List<Object>>)
            loader.loadClass(Application.class.getName()).getConstructor().newInstance();
    return application;
  }
}
