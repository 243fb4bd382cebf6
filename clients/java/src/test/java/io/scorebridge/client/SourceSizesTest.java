package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** What is too long to be read at once is two things. */
class SourceSizesTest {
  private static final int MOST_LINES_OF_A_FILE = 300;
  private static final int MOST_LINES_OF_A_BODY = 35;

  @Test
  void noFileIsLong() throws IOException {
    List<String> tooLong = new ArrayList<>();
    for (Path file : files()) {
      int lines = Files.readAllLines(file).size();
      if (lines > MOST_LINES_OF_A_FILE) {
        tooLong.add(file.getFileName() + " has " + lines + " lines");
      }
    }
    assertEquals(List.of(), tooLong);
  }

  @Test
  void noMethodIsLong() throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    var sources = compiler.getStandardFileManager(null, null, null).getJavaFileObjectsFromPaths(files());
    JavacTask task = (JavacTask) compiler.getTask(null, null, null, null, null, sources);
    Bodies bodies = new Bodies(Trees.instance(task).getSourcePositions());
    for (CompilationUnitTree source : task.parse()) {
      bodies.scan(source, source);
    }
    assertTrue(bodies.counted > 300, "methods were found");
    assertEquals(List.of(), bodies.tooLong);
  }

  private static List<Path> files() throws IOException {
    try (Stream<Path> files = Files.walk(World.CLIENTS.resolve("java"))) {
      return files
          .filter(file -> file.toString().endsWith(".java") && !file.toString().contains("/target/"))
          .sorted()
          .toList();
    }
  }

  /** Counts the lines of methods, from the opening brace to the closing one. */
  private static final class Bodies extends TreePathScanner<Void, CompilationUnitTree> {
    private final SourcePositions positions;
    private final List<String> tooLong = new ArrayList<>();
    private int counted;

    Bodies(SourcePositions positions) {
      this.positions = positions;
    }

    @Override
    public Void visitMethod(MethodTree method, CompilationUnitTree source) {
      if (method.getBody() != null) {
        counted++;
        long first = source.getLineMap().getLineNumber(positions.getStartPosition(source, method.getBody()));
        long last = source.getLineMap().getLineNumber(positions.getEndPosition(source, method.getBody()));
        if (last - first >= MOST_LINES_OF_A_BODY) {
          Path file = Path.of(source.getSourceFile().toUri()).getFileName();
          tooLong.add(file + " " + method.getName() + " has " + (last - first + 1) + " lines");
        }
      }
      return super.visitMethod(method, source);
    }
  }
}
