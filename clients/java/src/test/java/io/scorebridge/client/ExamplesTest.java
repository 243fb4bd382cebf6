package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples are run as a reader would: java -cp … ScoreBatch.java. */
class ExamplesTest {
  private static String run(String example, String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(World.CLIENTS.resolve("java/examples").resolve(example).toString());
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), printed);
    return printed;
  }

  @Test
  void scoreBatch() throws Exception {
    String printed = run("ScoreBatch.java", World.get().target("healthy"), "affine", "a", "b");
    assertTrue(printed.contains("MODEL"), printed);
    assertTrue(printed.contains("row 0: 5.0"), printed);
    printed = run("ScoreBatch.java", World.get().target("refused"), "affine", "a", "b");
    assertTrue(printed.contains("CLIENT_DEFAULT"), printed);
    assertTrue(printed.contains("row 0: 0.5 (UNAVAILABLE)"), printed);
  }

  @Test
  void hello(@TempDir Path folder) throws Exception {
    // The reader's gateway and model, which it names itself, are the tests' own here.
    String text = Files.readString(World.CLIENTS.resolve("java/examples/Hello.java"));
    String ours =
        text.replace("127.0.0.1:8081", World.get().target("healthy"))
            .replace("diabetes", "affine")
            .replace("ofSeconds(2)", "ofSeconds(60)")
            .replace("\"glu\", \"bmi\", \"age\"", "\"a\", \"b\"")
            .replace("{148, 33.6, 50}", "{148, 33.5}");
    Path program = Files.writeString(folder.resolve("Hello.java"), ours);
    assertEquals("MODEL 215.0\n", run(program.toString()));
  }

  @Test
  void load() throws Exception {
    String printed = run("Load.java", World.get().target("healthy"), "affine", "2", "1", "4", "1");
    assertTrue(printed.contains("calls/s"), printed);
    assertTrue(printed.contains("p99"), printed);
  }
}
