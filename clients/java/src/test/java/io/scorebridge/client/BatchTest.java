package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.Table;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

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
      assertEquals("column 'a', row 2: a number that no double holds exactly", raised.getMessage());
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
  void aPieceHasItsOwnRowsAndMissingRows() {
    Batch batch =
        Batch.columns().longs("n", 1, 2, 3, 4).strings("s", Arrays.asList("a", null, "c", null)).build();
    Table piece = table(batch, 2, 2);
    assertEquals(List.of(3L, 4L), piece.getColumns(0).getInt64S().getValuesList());
    assertEquals(List.of("c", ""), piece.getColumns(1).getStrings().getValuesList());
    assertEquals(List.of(1), piece.getColumns(1).getMissingRowsList());
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
}
