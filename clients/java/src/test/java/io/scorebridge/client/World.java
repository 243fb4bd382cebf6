package io.scorebridge.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The gateways and faults that clients/conformance/conformance_world.py offers; one for all tests of a run. */
final class World {
  static final Path CLIENTS = Path.of("..").toAbsolutePath().normalize();
  private static World shared;

  private final JsonObject told;

  private World(JsonObject told) {
    this.told = told;
  }

  static synchronized World get() throws IOException {
    if (shared == null) {
      Process process =
          new ProcessBuilder(python(), CLIENTS.resolve("conformance/conformance_world.py").toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      // Its input ends with this process, and then it ends too.
      BufferedReader output =
          new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      String line = output.readLine();
      if (line == null) {
        throw new IOException("the conformance world did not start");
      }
      shared = new World(JsonParser.parseString(line).getAsJsonObject());
    }
    return shared;
  }

  /** The Python that has the gateway. */
  static String python() {
    Path usual = CLIENTS.resolve("../.venv/bin/python").normalize();
    String named = System.getenv("SCOREBRIDGE_PYTHON");
    return named != null ? named : Files.exists(usual) ? usual.toString() : "python3";
  }

  String target(String name) {
    return told.getAsJsonObject("targets").get(name).getAsString();
  }

  void killFirst() {
    ProcessHandle.of(told.get("first_pid").getAsLong()).ifPresent(ProcessHandle::destroyForcibly);
  }

  File certificate() {
    return new File(told.get("certificate").getAsString());
  }

  File key() {
    return new File(told.get("key").getAsString());
  }

  String token() {
    return told.get("token").getAsString();
  }
}
