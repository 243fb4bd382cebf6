package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TargetsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | blank",
        "'  ' | blank",
        "http://gateway:8081 | begins with http://",
        "https://gateway:8081 | tls()",
        "HTTP://gateway | begins with http://",
        "xds:///gateway | scheme 'xds'",
        "xds:gateway | scheme 'xds'",
        "ipv4:10.0.0.1:8081 | scheme 'ipv4'",
        "ftp://gateway:21 | scheme 'ftp'",
        "gw:8081:8082 | target: is not a host and a port",
        "dns:///a:1,b:2 | takes no list",
        "gateway | target: has no port",
        "10.0.0.1 | has no port",
        "[::1] | has no port",
        "gateway: | not a number from 1 to 65535",
        "gateway:http | not a number from 1 to 65535",
        "gateway:0 | not a number from 1 to 65535",
        "gateway:-1 | not a number from 1 to 65535",
        "gateway:65536 | not a number from 1 to 65535",
        "gateway:99999999999 | not a number from 1 to 65535",
        "gateway:8081/ | not a number from 1 to 65535",
        ":8081 | no valid host name",
        "a host:8081 | no valid host name",
        "me@gateway:8081 | no valid host name",
        "gate/way:8081 | no valid host name",
        "::1:8081 | brackets",
        "fe80::1 | brackets",
        "[::1:8081 | brackets",
        "[gateway]:8081 | brackets",
        "[1::2::3]:8081 | brackets",
        "a:1,,b:2 | entry 2 of the list is empty",
        "a:1, ,b:2 | entry 2 of the list is empty",
        ",a:1 | entry 1 of the list is empty",
        "a:1, | entry 2 of the list is empty",
        ", | entry 1 of the list is empty",
        "a:1,b | entry 2 of the list has no port",
        "a:1,http://b:2 | entry 2 of the list has a scheme",
        "a:1,dns:///b:2 | entry 2 of the list has a scheme",
      })
  void whatIsNoTargetIsRefusedWhenTheClientIsBuilt(String target, String why) {
    ScoringClient.Builder builder = ScoringClient.newBuilder(target);
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.startsWith("target: ") && message.contains(why), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gateway:8081",
        " gateway:8081 ",
        "GATEWAY.example.:1",
        "under_score:65535",
        "10.0.0.1:8081",
        "[::1]:8081",
        "[fe80::1%1]:8081",
        "[::ffff:10.0.0.1]:8081",
        "a:1,b:2",
        "a:1 , [::1]:2",
        "dns:8081",
        "unix:8081",
        "dns:///gateway:8081",
        "dns:///gateway",
        "dns://10.0.0.53/gateway:8081",
        "unix:///run/gateway.sock",
      })
  void whatGrpcKnowsIsATarget(String target) {
    ScoringClient.newBuilder(target).build().close();
  }

  @Test
  void aTargetBesideAChannelIsNotLookedAt() throws IOException {
    ManagedChannel channel =
        Grpc.newChannelBuilder(World.get().target("healthy"), InsecureChannelCredentials.create()).build();
    try (ScoringClient client = ScoringClient.newBuilder("unused").channel(channel).build()) {
      assertEquals(5, client.score("affine", Batch.of(new double[][] {{1, 2}})).scores()[0]);
    } finally {
      channel.shutdownNow();
    }
  }
}
