package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.scorebridge.v1.ColumnType;
import io.scorebridge.v1.GetModelResponse;
import io.scorebridge.v1.ListModelsResponse;
import io.scorebridge.v1.VersionState;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What callers are told of models, as values. */
class ModelsTest {
  private static final io.scorebridge.v1.ModelVersion WAITING =
      io.scorebridge.v1.ModelVersion.newBuilder()
          .setModel("m")
          .setVersion(3)
          .setState(VersionState.VERSION_STATE_WAITING)
          .setStateReason("no memory")
          .setBackend("xgboost")
          .setDigest("sha256:00")
          .setServing(true)
          .setNeverScored(true)
          .setRetryAt(Timestamp.newBuilder().setSeconds(1_700_000_000).setNanos(5))
          .build();

  private static final io.scorebridge.v1.BoosterDetail BOOSTER =
      io.scorebridge.v1.BoosterDetail.newBuilder()
          .setBooster("dart")
          .setObjective("binary:logistic")
          .setRounds(7)
          .setBestIteration(0)
          .setSavedBy("3.2.0")
          .setRoundsUsed(1)
          .setBaseMargin("margin")
          .build();
  private static final io.scorebridge.v1.Feature REGION =
      io.scorebridge.v1.Feature.newBuilder()
          .setName("region")
          .setType(ColumnType.COLUMN_TYPE_FACTOR)
          .addAllLevels(List.of("north", "south"))
          .setRequired(true)
          .setOrdered(true)
          .setUnknownLevel("missing")
          .build();
  private static final io.scorebridge.v1.OutputColumn LEAF =
      io.scorebridge.v1.OutputColumn.newBuilder()
          .setName("leaf_0")
          .setType(ColumnType.COLUMN_TYPE_INT)
          .setAdditional(true)
          .build();
  private static final io.scorebridge.v1.ModelLookup HISTORY =
      io.scorebridge.v1.ModelLookup.newBuilder()
          .setName("history")
          .setGroup("users")
          .setKey("user_id")
          .addAllFeatures(List.of("orders", "spent"))
          .setStore("main")
          .build();
  private static final io.scorebridge.v1.ModelDetail DESCRIBED =
      io.scorebridge.v1.ModelDetail.newBuilder()
          .setVersion(WAITING)
          .setEngine("xgboost 3.2.0")
          .setEngineReason("as asked")
          .addFeatures(REGION)
          .addOutputs(LEAF)
          .addDefaultScores(defaultScore("leaf_0").setNumber(0.5))
          .setTimeout(Duration.newBuilder().setNanos(50_000_000))
          .setRowWise(true)
          .setRowWiseReason("trees")
          .setWorkers(4)
          .setCircuit("half-open")
          .setBooster(BOOSTER)
          .addLookups(HISTORY)
          .build();

  private static List<ModelVersion> models(io.scorebridge.v1.ModelVersion version) {
    try (ScoringClient client = answered(ListModelsResponse.newBuilder().addVersions(version).build())) {
      return client.models();
    }
  }

  private static ModelDetail model(io.scorebridge.v1.ModelDetail.Builder detail) {
    try (ScoringClient client = answered(GetModelResponse.newBuilder().addVersions(detail).build())) {
      return client.model("m").get(0);
    }
  }

  @Test
  void aVersionIsAllThatTheGatewaySaysOfIt() {
    Instant retryAt = Instant.ofEpochSecond(1_700_000_000, 5);
    assertEquals(
        List.of(new ModelVersion("m", 3, "WAITING", "no memory", "xgboost", "sha256:00", true, true, retryAt)),
        models(WAITING));
    assertEquals(null, models(WAITING.toBuilder().clearRetryAt().build()).get(0).retryAt());
  }

  @ParameterizedTest
  @EnumSource(value = VersionState.class, mode = EnumSource.Mode.EXCLUDE, names = "UNRECOGNIZED")
  void everyStateOfTheProtoHasItsName(VersionState state) {
    String name = models(WAITING.toBuilder().setState(state).build()).get(0).state();
    assertEquals(state.name(), "VERSION_STATE_" + name);
  }

  @Test
  void whatOnlyANewerGatewayHasIsItsNumber() {
    assertEquals("UNKNOWN_99", models(WAITING.toBuilder().setStateValue(99).build()).get(0).state());
    ModelDetail detail =
        model(
            io.scorebridge.v1.ModelDetail.newBuilder()
                .addFeatures(io.scorebridge.v1.Feature.newBuilder().setTypeValue(98))
                .addOutputs(io.scorebridge.v1.OutputColumn.newBuilder().setTypeValue(97))
                .addDefaultScores(defaultScore("of an unknown kind")));
    assertEquals("UNKNOWN_98", detail.features().get(0).type());
    assertEquals("UNKNOWN_97", detail.outputs().get(0).type());
    assertEquals(List.of(new DefaultScore("of an unknown kind", null)), detail.defaultScores());
  }

  @ParameterizedTest
  @EnumSource(value = ColumnType.class, mode = EnumSource.Mode.EXCLUDE, names = "UNRECOGNIZED")
  void everyTypeOfTheProtoHasItsName(ColumnType type) {
    Feature feature =
        model(
                io.scorebridge.v1.ModelDetail.newBuilder()
                    .addFeatures(io.scorebridge.v1.Feature.newBuilder().setType(type)))
            .features()
            .get(0);
    assertEquals(type == ColumnType.COLUMN_TYPE_UNSPECIFIED ? null : type.name(), named(feature.type()));
  }

  private static String named(String type) {
    return type == null ? null : "COLUMN_TYPE_" + type;
  }

  @Test
  void aDescriptionIsAllThatTheGatewaySaysOfAVersion() {
    ModelDetail detail = model(DESCRIBED.toBuilder());
    assertEquals(
        new ModelDetail(
            ModelVersion.read(WAITING),
            "xgboost 3.2.0",
            "as asked",
            List.of(new Feature("region", "FACTOR", List.of("north", "south"), true, true, "missing")),
            List.of(new Output("leaf_0", "INT", true)),
            List.of(new DefaultScore("leaf_0", 0.5)),
            java.time.Duration.ofMillis(50),
            true,
            "trees",
            4,
            "half-open",
            new BoosterDetail("dart", "binary:logistic", 7, 0, "3.2.0", 1, "margin"),
            List.of(new ModelLookup("history", "users", "user_id", List.of("orders", "spent"), "main"))),
        detail);
    assertEquals(null, BoosterDetail.read(BOOSTER.toBuilder().clearBestIteration().build()).bestIteration());
    ModelDetail nothingSaid = model(io.scorebridge.v1.ModelDetail.newBuilder());
    assertEquals(null, nothingSaid.booster());
    assertEquals(null, nothingSaid.timeout());
    assertEquals(List.of(), nothingSaid.lookups());
  }

  private static io.scorebridge.v1.DefaultScore.Builder defaultScore(String output) {
    return io.scorebridge.v1.DefaultScore.newBuilder().setOutput(output);
  }

  @Test
  void defaultScoresKeepTheirTypesAndTheOrderOfTheOutputs() {
    List<DefaultScore> scores =
        model(
                io.scorebridge.v1.ModelDetail.newBuilder()
                    .addDefaultScores(defaultScore("z").setNumber(0.5))
                    .addDefaultScores(defaultScore("y").setText("none"))
                    .addDefaultScores(defaultScore("x").setTruth(false)))
            .defaultScores();
    assertEquals(
        List.of(new DefaultScore("z", 0.5), new DefaultScore("y", "none"), new DefaultScore("x", false)), scores);
  }

  @Test
  void noListOfAValueCanBeChanged() {
    ModelDetail detail = model(DESCRIBED.toBuilder());
    for (List<?> list :
        List.of(
            models(WAITING),
            detail.features(),
            detail.features().get(0).levels(),
            detail.outputs(),
            detail.defaultScores(),
            detail.lookups(),
            detail.lookups().get(0).features())) {
      assertEquals(false, list.isEmpty());
      assertThrows(UnsupportedOperationException.class, list::clear);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "-62135596801,0",
    "253402300800,0",
    "0,-1",
    "0,1000000000",
    "9223372036854775807,0",
    "-9223372036854775808,0",
  })
  void aTimeOutsideTheYearsOneTo9999IsAnAnswerThatMakesNoSense(long seconds, int nanos) {
    Timestamp time = Timestamp.newBuilder().setSeconds(seconds).setNanos(nanos).build();
    var raised =
        assertThrows(
            ScoringException.PredictionFailed.class, () -> models(WAITING.toBuilder().setRetryAt(time).build()));
    assertEquals(
        "the gateway's answer makes no sense: it has a time that is not of the years 1 to 9999", raised.getMessage());
    assertEquals("INTERNAL", raised.reason());
  }

  @ParameterizedTest
  @CsvSource({"-62135596800,0", "253402300799,999999999"})
  void theFirstAndTheLastTimeOfTheProtocolAreTold(long seconds, int nanos) {
    Timestamp time = Timestamp.newBuilder().setSeconds(seconds).setNanos(nanos).build();
    assertEquals(
        Instant.ofEpochSecond(seconds, nanos), models(WAITING.toBuilder().setRetryAt(time).build()).get(0).retryAt());
  }

  @ParameterizedTest
  @ValueSource(longs = {315_576_000_001L, -315_576_000_001L, Long.MAX_VALUE, Long.MIN_VALUE})
  void aDurationOfOverTenThousandYearsIsAnAnswerThatMakesNoSense(long seconds) {
    Duration.Builder timeout = Duration.newBuilder().setSeconds(seconds).setNanos(999_999_999);
    var raised =
        assertThrows(
            ScoringException.PredictionFailed.class,
            () -> model(io.scorebridge.v1.ModelDetail.newBuilder().setTimeout(timeout)));
    assertEquals("the gateway's answer makes no sense: it has a duration of over 10,000 years", raised.getMessage());
    assertEquals("INTERNAL", raised.reason());
  }

  @Test
  void whatAGatewayTellsOfItsModelsAreValues() throws Exception {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).build()) {
      ModelVersion version = client.models().get(0);
      assertEquals("affine", version.model());
      assertEquals("READY", version.state());
      assertEquals(true, version.serving());
      ModelDetail detail = client.model("affine").get(0);
      assertEquals(List.of("a", "b"), detail.features().stream().map(Feature::name).toList());
      assertEquals(List.of("score"), detail.outputs().stream().map(Output::name).toList());
      assertEquals(true, detail.rowWise());
    }
  }

  /** A client whose every call has one answer. */
  private static ScoringClient answered(Message answer) {
    Channel channel =
        new Channel() {
          @Override
          public <ReqT, RespT> ClientCall<ReqT, RespT> newCall(
              MethodDescriptor<ReqT, RespT> method, CallOptions options) {
            return new SilentCall<>() {
              @Override
              public void start(Listener<RespT> listener, Metadata headers) {
                listener.onMessage(method.parseResponse(answer.toByteString().newInput()));
                listener.onClose(Status.OK, new Metadata());
              }
            };
          }

          @Override
          public String authority() {
            return "answers";
          }
        };
    return ScoringClient.newBuilder("unused").channel(channel).build();
  }
}
