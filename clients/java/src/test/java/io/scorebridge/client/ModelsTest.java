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
import io.scorebridge.v1.DefaultScore;
import io.scorebridge.v1.GetModelResponse;
import io.scorebridge.v1.ListModelsResponse;
import io.scorebridge.v1.VersionState;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
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
  private static final io.scorebridge.v1.ModelDetail DESCRIBED =
      io.scorebridge.v1.ModelDetail.newBuilder()
          .setVersion(WAITING)
          .setEngine("xgboost 3.2.0")
          .setEngineReason("as asked")
          .addFeatures(REGION)
          .addOutputs(LEAF)
          .setTimeout(Duration.newBuilder().setNanos(50_000_000))
          .setRowWise(true)
          .setRowWiseReason("trees")
          .setWorkers(4)
          .setCircuit("half-open")
          .setBooster(BOOSTER)
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
        List.of(new ModelVersion("m", 3, "WAITING", "no memory", "xgboost", "sha256:00", true, retryAt, true)),
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
    assertEquals("STATE_99", models(WAITING.toBuilder().setStateValue(99).build()).get(0).state());
    ModelDetail detail =
        model(
            io.scorebridge.v1.ModelDetail.newBuilder()
                .addFeatures(io.scorebridge.v1.Feature.newBuilder().setTypeValue(98))
                .addOutputs(io.scorebridge.v1.OutputColumn.newBuilder().setTypeValue(97))
                .addDefaultScores(DefaultScore.newBuilder().setOutput("of an unknown kind")));
    assertEquals("TYPE_98", detail.features().get(0).type());
    assertEquals("TYPE_97", detail.outputs().get(0).type());
    assertEquals(Map.of(), detail.defaults());
  }

  @ParameterizedTest
  @EnumSource(value = ColumnType.class, mode = EnumSource.Mode.EXCLUDE, names = "UNRECOGNIZED")
  void everyTypeOfTheProtoHasItsName(ColumnType type) {
    boolean declared = type != ColumnType.COLUMN_TYPE_UNSPECIFIED;
    Feature feature =
        model(
                io.scorebridge.v1.ModelDetail.newBuilder()
                    .addFeatures(io.scorebridge.v1.Feature.newBuilder().setType(type)))
            .features()
            .get(0);
    assertEquals(declared ? type.name() : "COLUMN_TYPE_", "COLUMN_TYPE_" + feature.type());
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
            List.of(new OutputColumn("leaf_0", "INT", true)),
            Map.of(),
            java.time.Duration.ofMillis(50),
            true,
            "trees",
            4,
            "half-open",
            new BoosterDetail("dart", "binary:logistic", 7, 0, "3.2.0", 1, "margin")),
        detail);
    assertEquals(null, BoosterDetail.read(BOOSTER.toBuilder().clearBestIteration().build()).bestIteration());
    assertEquals(null, model(io.scorebridge.v1.ModelDetail.newBuilder()).booster());
  }

  @Test
  void defaultScoresKeepTheirTypesAndTheOrderOfTheOutputs() {
    Map<String, Object> defaults =
        model(
                io.scorebridge.v1.ModelDetail.newBuilder()
                    .addDefaultScores(DefaultScore.newBuilder().setOutput("z").setNumber(0.5))
                    .addDefaultScores(DefaultScore.newBuilder().setOutput("y").setText("none"))
                    .addDefaultScores(DefaultScore.newBuilder().setOutput("x").setTruth(false)))
            .defaults();
    assertEquals(List.of("z", "y", "x"), List.copyOf(defaults.keySet()));
    assertEquals(Map.of("z", 0.5, "y", "none", "x", false), defaults);
    assertThrows(UnsupportedOperationException.class, defaults::clear);
  }

  @Test
  void aValueKeepsItsListsWhateverBecomesOfThoseItWasMadeOf() {
    List<String> levels = new ArrayList<>(List.of("a"));
    Feature feature = new Feature("f", "FACTOR", levels, false, false, "refuse");
    levels.clear();
    assertEquals(List.of("a"), feature.levels());
    List<ModelVersion> listed = models(WAITING);
    assertThrows(UnsupportedOperationException.class, listed::clear);
  }

  @ParameterizedTest
  @ValueSource(longs = {Long.MAX_VALUE, Long.MIN_VALUE})
  void aTimeThatNoClockCanHoldIsAnAnswerThatMakesNoSense(long seconds) {
    var version = WAITING.toBuilder().setRetryAt(Timestamp.newBuilder().setSeconds(seconds).setNanos(-1)).build();
    var detail =
        io.scorebridge.v1.ModelDetail.newBuilder()
            .setTimeout(Duration.newBuilder().setSeconds(seconds).setNanos(seconds > 0 ? 1_999_999_999 : -1));
    for (ScoringException raised :
        List.of(
            assertThrows(ScoringException.PredictionFailed.class, () -> models(version)),
            assertThrows(ScoringException.PredictionFailed.class, () -> model(detail)))) {
      assertEquals("the answer makes no sense: a time that no clock can hold", raised.getMessage());
      assertEquals("INTERNAL", raised.reason());
    }
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
      assertEquals(List.of("score"), detail.outputs().stream().map(OutputColumn::name).toList());
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
