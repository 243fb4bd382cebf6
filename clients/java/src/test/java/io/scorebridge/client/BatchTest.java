package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.Table;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;

class BatchTest {
  /** A row as a record. */
  record Customer(double income, Integer children, String region, boolean owner) {}

  /** A row as a bean. */
  static class Car {
    public int getDoors() {
      return 5;
    }

    public String getColour() {
      return "red";
    }
  }

  private static final BigDecimal BIGGEST = new BigDecimal(0x1p1023);
  private static final String ROUNDED = "column 'a', row 2: a whole number that no double holds exactly";

  private static Table table(Batch batch, int first, int count) {
    ScoreRequest.Builder request = ScoreRequest.newBuilder();
    batch.fill(request, first, count);
    return request.getTable();
  }

  @Test
  void recordsBecomeColumnsOfTheirTypes() {
    Table table =
        table(Batch.ofBeans(List.of(new Customer(1.5, 2, "north", true), new Customer(2.5, null, null, false))), 0, 2);
    assertEquals(
        List.of("income", "children", "region", "owner"), table.getColumnsList().stream().map(Column::getName).toList());
    assertEquals(List.of(1.5, 2.5), table.getColumns(0).getDoubles().getValuesList());
    assertEquals(List.of(2, 0), table.getColumns(1).getInt32S().getValuesList());
    assertEquals(List.of(1), table.getColumns(1).getMissingRowsList());
    assertEquals(List.of("north", ""), table.getColumns(2).getStrings().getValuesList());
    assertEquals(List.of(1), table.getColumns(2).getMissingRowsList());
    assertEquals(List.of(true, false), table.getColumns(3).getBools().getValuesList());
  }

  @Test
  void beansAreReadByTheirGetters() {
    Table table = table(Batch.ofBeans(List.of(new Car())), 0, 1);
    assertEquals(
        List.of("colour", "doors"), table.getColumnsList().stream().map(Column::getName).sorted().toList());
  }

  @Test
  void numbersOfSeveralTypesBecomeTheWidest() {
    List<Map<String, Object>> rows = List.of(Map.of("a", 1, "b", 1), Map.of("a", 2L, "b", 2.5));
    Map<String, Column.ValuesCase> kinds = new LinkedHashMap<>();
    table(Batch.ofMaps(rows), 0, 2).getColumnsList().forEach(one -> kinds.put(one.getName(), one.getValuesCase()));
    assertEquals(Map.of("a", Column.ValuesCase.INT64S, "b", Column.ValuesCase.DOUBLES), kinds);
  }

  @Test
  void longsStayExactAlsoBesideMissingOnes() {
    long first = (1L << 53) + 1; // the first whole number that a double rounds
    List<Long> ids = List.of(first, Long.MAX_VALUE, Long.MIN_VALUE);
    Table table =
        table(
            Batch.columns()
                .longs("a", first, Long.MAX_VALUE, Long.MIN_VALUE)
                .values("b", ids)
                .values("c", Arrays.asList(first, null, 7))
                .build(),
            0,
            3);
    assertEquals(ids, table.getColumns(0).getInt64S().getValuesList());
    assertEquals(ids, table.getColumns(1).getInt64S().getValuesList());
    assertEquals(List.of(first, 0L, 7L), table.getColumns(2).getInt64S().getValuesList());
    assertEquals(List.of(1), table.getColumns(2).getMissingRowsList());
    assertEquals(
        List.of(first), table(Batch.ofMaps(List.of(Map.of("a", first))), 0, 1).getColumns(0).getInt64S().getValuesList());
  }

  @Test
  void longsAmongFractionsAreRefusedWhereADoubleWouldRoundThem() {
    for (long rounded : new long[] {(1L << 53) + 1, -(1L << 53) - 1, Long.MAX_VALUE}) {
      IllegalArgumentException raised =
          assertThrows(
              IllegalArgumentException.class, () -> Batch.columns().values("a", Arrays.asList(1.5, null, rounded)));
      assertTrue(raised.getMessage().startsWith(ROUNDED), raised.getMessage());
    }
    Table table = table(Batch.columns().values("a", List.of(1.5, 1L << 60, Long.MIN_VALUE)).build(), 0, 3);
    assertEquals(List.of(1.5, 0x1p60, -0x1p63), table.getColumns(0).getDoubles().getValuesList());
  }

  @Test
  void whatAMapLeavesOutIsMissing() {
    List<Map<String, Object>> rows = new ArrayList<>(List.of(Map.of("a", "x"), Map.of("b", 1)));
    Table table = table(Batch.ofMaps(rows), 0, 2);
    assertEquals(List.of(1), table.getColumns(0).getMissingRowsList());
    assertEquals(List.of(0), table.getColumns(1).getMissingRowsList());
  }

  @Test
  void aColumnOfNothingIsNumbers() {
    Table table = table(Batch.columns().values("a", Arrays.asList(null, null)).build(), 0, 2);
    assertEquals(2, table.getColumns(0).getDoubles().getValuesCount());
    assertEquals(List.of(0, 1), table.getColumns(0).getMissingRowsList());
  }

  @Test
  void aChunkHasItsOwnRowsAndMissingRows() {
    Batch batch =
        Batch.columns().longs("n", 1, 2, 3, 4).strings("s", Arrays.asList("a", null, "c", null)).build();
    Table chunk = table(batch, 2, 2);
    assertEquals(List.of(3L, 4L), chunk.getColumns(0).getInt64S().getValuesList());
    assertEquals(List.of("c", ""), chunk.getColumns(1).getStrings().getValuesList());
    assertEquals(List.of(1), chunk.getColumns(1).getMissingRowsList());
  }

  @Test
  void floatsStayFloats() {
    ScoreRequest.Builder request = ScoreRequest.newBuilder();
    Batch.of(List.of("a", "b"), new float[][] {{1, 2}, {3, 4}}).fill(request, 1, 1);
    assertEquals(List.of(3f, 4f), request.getMatrix().getFloats().getValuesList());
    assertEquals(1, request.getMatrix().getRows());
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> Batch.of(new double[][] {{1}, {1, 2}}));
    assertThrows(IllegalArgumentException.class, () -> Batch.of(List.of("a"), new double[][] {{1, 2}}));
    assertThrows(IllegalArgumentException.class, () -> Batch.columns().doubles("a", 1).ints("b", 1, 2));
    assertThrows(IllegalArgumentException.class, () -> Batch.columns().doubles("a", 1).doubles("a", 1));
    assertThrows(IllegalArgumentException.class, () -> Batch.columns().build());
    assertThrows(IllegalArgumentException.class, () -> Batch.columns().strings("a", List.of("\ud800")));
    assertEquals(1, Batch.columns().strings("a", List.of("\ud83d\ude00")).build().rows());
    assertThrows(IllegalArgumentException.class, () -> Batch.ofMaps(List.of(Map.of("a", 1), Map.of("a", "x"))));
    assertThrows(IllegalArgumentException.class, () -> Batch.ofMaps(List.of(Map.of("a", new Object()))));
  }

  @TestFactory
  Stream<DynamicTest> aNullRowIsRefusedByItsNumber() {
    Map<String, Object> unnamed = new HashMap<>(Map.of("a", 1));
    unnamed.put(null, 2);
    double[] none = null;
    return Stream.of(
        refused("rows must not be null", () -> Batch.of((double[][]) null)),
        refused("rows must not be null", () -> Batch.of(List.of("a"), (double[][]) null)),
        refused("rows must not be null", () -> Batch.of(List.of("a"), (float[][]) null)),
        refused("row 0 is null", () -> Batch.of(new double[][] {none, {1}})),
        refused("row 1 is null", () -> Batch.of(new double[][] {{1}, none})),
        refused("row 1 is null", () -> Batch.of(List.of("a"), new float[][] {{1}, null})),
        refused("rows must not be null", () -> Batch.ofMaps(null)),
        refused("row 1 must not be null", () -> Batch.ofMaps(Arrays.asList(Map.of("a", 1), null))),
        refused("a name in row 1 must not be null", () -> Batch.ofMaps(List.of(Map.of("a", 1), unnamed))),
        refused("rows must not be null", () -> Batch.ofBeans(null)),
        refused("row 1 must not be null", () -> Batch.ofBeans(Arrays.asList(new Car(), null))));
  }

  @TestFactory
  Stream<DynamicTest> aNullColumnIsRefusedByItsName() {
    double[] none = null;
    return Stream.of(
        refused("columns must not be null", () -> Batch.of(null, new double[][] {{1}})),
        refused(
            "the name of column 1 must not be null",
            () -> Batch.of(Arrays.asList("a", null), new double[][] {{1, 2}})),
        refused("two columns are named 'a'", () -> Batch.of(List.of("a", "a"), new double[][] {{1, 2}})),
        refused("the name of a column must not be null", () -> Batch.columns().doubles(null, 1)),
        refused("the name of a column must not be null", () -> Batch.columns().floats(null, 1)),
        refused("the name of a column must not be null", () -> Batch.columns().ints(null, 1)),
        refused("the name of a column must not be null", () -> Batch.columns().longs(null, 1)),
        refused("the name of a column must not be null", () -> Batch.columns().booleans(null, true)),
        refused("the name of a column must not be null", () -> Batch.columns().strings(null, List.of("x"))),
        refused("the name of a column must not be null", () -> Batch.columns().values(null, List.of(1))),
        refused("the values of column 'a' must not be null", () -> Batch.columns().doubles("a", none)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().floats("a", (float[]) null)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().ints("a", (int[]) null)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().longs("a", (long[]) null)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().booleans("a", (boolean[]) null)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().strings("a", null)),
        refused("the values of column 'a' must not be null", () -> Batch.columns().values("a", null)));
  }

  private static DynamicTest refused(String beginning, Executable call) {
    return DynamicTest.dynamicTest(
        beginning,
        () -> {
          String message = assertThrows(IllegalArgumentException.class, call).getMessage();
          assertTrue(message.startsWith(beginning), message);
        });
  }

  @Test
  void aTextThatIsNoUnicodeIsRefusedByRow() {
    assertEquals(
        "column 'a', row 1: half of a surrogate pair, which UTF-8 can't hold",
        assertThrows(
                IllegalArgumentException.class, () -> Batch.columns().strings("a", List.of("x", "y\udc00")))
            .getMessage());
    assertThrows(IllegalArgumentException.class, () -> Batch.columns().ints("\ud800", 1));
  }

  private static Column column(Object... values) {
    Column built = table(Batch.columns().values("a", Arrays.asList(values)).build(), 0, values.length).getColumns(0);
    List<Map<String, Object>> maps =
        Arrays.stream(values).map(value -> Collections.<String, Object>singletonMap("a", value)).toList();
    assertEquals(built, table(Batch.ofMaps(maps), 0, values.length).getColumns(0)); // one rule for both
    return built;
  }

  @Test
  void decimalsBecomeTheNearestDouble() {
    BigDecimal tenth = new BigDecimal("0.1");
    assertEquals(List.of(0.1, -2.5, 3.0), column(tenth, new BigDecimal("-2.50"), 3).getDoubles().getValuesList());
    assertEquals(
        List.of(0.0, 0x1p53, 1e22, 0x1p1023),
        column(new BigDecimal("1e-400"), new BigDecimal("9007199254740992.0"), new BigDecimal("1e22"), BIGGEST)
            .getDoubles()
            .getValuesList());
    assertEquals(
        List.of(9007199254740994.0), column(new BigDecimal("9007199254740993.5")).getDoubles().getValuesList());
    assertEquals(List.of(1), column(tenth, null).getMissingRowsList());
  }

  @Test
  void bigWholeNumbersBecomeLongsOrTheDoubleThatEqualsThem() {
    BigInteger longest = BigInteger.valueOf(Long.MAX_VALUE);
    BigInteger least = BigInteger.valueOf(Long.MIN_VALUE);
    BigInteger above = longest.add(BigInteger.ONE);
    assertEquals(
        List.of(Long.MAX_VALUE, Long.MIN_VALUE, 7L), column(longest, least, 7).getInt64S().getValuesList());
    assertEquals(List.of(0x1p63, 0.5), column(above, 0.5).getDoubles().getValuesList());
    assertEquals(List.of(0x1p63, 7.0), column(above, 7L).getDoubles().getValuesList());
    assertEquals(List.of(-0x1p63, 1.5), column(least, 1.5f).getDoubles().getValuesList());
  }

  @TestFactory
  Stream<DynamicTest> aNumberThatNoDoubleHoldsIsRefusedByRowAndColumn() {
    BigInteger longest = BigInteger.valueOf(Long.MAX_VALUE);
    return Stream.of(
            List.of(1.5, 2, (1L << 53) + 1),
            List.of(1.5, 2.5f, Long.MAX_VALUE),
            List.of(new BigDecimal("0.1"), 2, Long.MAX_VALUE),
            List.of(0.5, 2, longest),
            List.of(0.5, 2, BigInteger.TWO.pow(63).add(BigInteger.ONE)),
            List.of(BigInteger.TWO.pow(63), 2, (1L << 53) + 1),
            List.of(BigInteger.TWO.pow(63), 2, longest),
            List.of(0.5, 2, BigInteger.TWO.pow(1024)),
            List.of(0.5, 2, BigInteger.TWO.pow(1024).negate()),
            List.of(0.5, 2, new BigDecimal("9007199254740993")),
            List.of(0.5, 2, new BigDecimal("9007199254740993.00")),
            List.of(0.5, 2, new BigDecimal("1e23")))
        .map(values -> refused(ROUNDED, () -> column(values.toArray())));
  }

  @TestFactory
  Stream<DynamicTest> aDecimalBeyondTheRangeOfDoublesIsRefusedByRowAndColumn() {
    return Stream.of("1e309", "-1.8e308", "1e1000000").map(
        value ->
            refused(
                "column 'a', row 1: a number beyond the range of a double",
                () -> column(1.5, new BigDecimal(value))));
  }

  @TestFactory
  Stream<DynamicTest> aColumnOfSeveralKindsIsRefusedByItsFirstRowOfAnother() {
    return Stream.of(
        refused("column 'a' holds a number in row 1 and text in row 2:", () -> column(null, 1, "x", true)),
        refused("column 'a' holds text in row 0 and a number in row 1:", () -> column("x", 2.5)),
        refused("column 'a' holds a number in row 0 and a truth value in row 1:", () -> column(BigInteger.ONE, true)),
        refused("column 'a' holds a truth value in row 0 and text in row 3:", () -> column(true, null, false, 'x')),
        refused("column 'a' holds a number in row 0 and a truth value in row 3:", () -> column(1, 2L, 2.5, false)),
        refused("column 'a', row 1 is a java.util.ArrayList", () -> column(1, new ArrayList<>())),
        refused("column 'a', row 0 is a java.util.Optional", () -> column(Optional.of(1), 1)));
  }
}
