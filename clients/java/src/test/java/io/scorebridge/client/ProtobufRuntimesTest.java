package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Message;
import io.scorebridge.v1.ScoreRequest;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** An application brings a protobuf-java of its own, older or newer than the one the client is built with. */
class ProtobufRuntimesTest {
  /** What an application does, and which runtime did it; loaded anew for each. */
  public static final class Application implements Function<String, List<Object>> {
    @Override
    public List<Object> apply(String target) {
      try (ScoringClient client = ScoringClient.newBuilder(target).build()) {
        ScoreOptions options = ScoreOptions.newBuilder().labels(Map.of("a", "b")).rowKeys(List.of(7L)).build();
        return List.of(
            client.score("affine", Batch.of(new double[][] {{1, 2}}), options).scores()[0],
            client.score("affine", Batch.ofMaps(List.of(Map.of("a", 1.5, "b", 2)))).scores()[0],
            client.model("affine").get(0).features().get(0).name(),
            client.models().get(0).model(),
            refusal(client),
            ScoreRequest.newBuilder().setModel("x").build().toString().contains("model: \"x\""),
            Message.class.getProtectionDomain().getCodeSource().getLocation());
      }
    }
  }

  /** The gateway's word for it comes in messages of a library that is older than ours. */
  private static String refusal(ScoringClient client) {
    try {
      return client.score("nobody", Batch.of(new double[][] {{1, 2}})).model();
    } catch (ScoringException.ModelNotFound refused) {
      return refused.reason();
    }
  }

  @TestFactory
  List<DynamicTest> theClientRunsWith() throws IOException {
    try (Stream<Path> jars = Files.list(Path.of("target/protobuf-runtimes"))) {
      List<DynamicTest> tests = new ArrayList<>();
      for (Path jar : jars.sorted().toList()) {
        tests.add(DynamicTest.dynamicTest(jar.getFileName().toString(), () -> run(jar)));
      }
      assertEquals(4, tests.size());
      return tests;
    }
  }

  private static void run(Path jar) throws Exception {
    List<URL> path = new ArrayList<>(List.of(jar.toUri().toURL()));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      if (!Path.of(entry).getFileName().toString().startsWith("protobuf-java-")) {
        path.add(Path.of(entry).toUri().toURL());
      }
    }
    // Not closed: threads of the network library live longer than the client.
    ClassLoader loader = new URLClassLoader(path.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    @SuppressWarnings("unchecked")
    var application =
        (Function<String, List<Object>>)
            loader.loadClass(Application.class.getName()).getConstructor().newInstance();
    assertEquals(
        Arrays.asList(5.0, 5.5, "a", "affine", "MODEL_NOT_FOUND", true, jar.toUri().toURL()),
        application.apply(World.get().target("healthy")));
  }
}
