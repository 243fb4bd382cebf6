package io.scorebridge.client;

import io.scorebridge.v1.DoubleArray;
import io.scorebridge.v1.FloatArray;
import io.scorebridge.v1.Matrix;
import io.scorebridge.v1.ScoreRequest;
import java.util.List;

/** A batch of rows of numbers, all doubles or all floats. May be shared by threads. */
final class MatrixBatch extends Batch {
  private final List<String> columns;
  private final double[][] doubles; // null if they are floats
  private final float[][] floats; // null if they are doubles
  private final int width;

  /**
   * Takes rows of doubles or of floats.
   *
   * @param columns the names of the columns; empty for the model's own order.
   * @param doubles the rows; null if they are floats.
   * @param floats the rows; null if they are doubles.
   * @throws IllegalArgumentException if both are null, a row is null, two columns have one name, or the lengths differ;
   *     the message names the row or column.
   */
  MatrixBatch(List<String> columns, double[][] doubles, float[][] floats) {
    this.columns = Arguments.columns(columns);
    Arguments.given("rows", doubles == null ? floats : doubles);
    this.doubles = doubles;
    this.floats = floats;
    this.width = rows() == 0 ? columns.size() : length(0);
    if (!columns.isEmpty() && columns.size() != width) {
      throw new IllegalArgumentException(
          "columns has " + columns.size() + " names, but the rows have " + width + " columns");
    }
    for (int row = 0; row < rows(); row++) {
      if (length(row) != width) {
        throw new IllegalArgumentException("row " + row + " has " + length(row) + " values, row 0 has " + width);
      }
    }
  }

  @Override
  public int rows() {
    return doubles == null ? floats.length : doubles.length;
  }

  @Override
  long bytes() {
    return (long) rows() * width * (doubles == null ? Float.BYTES : Double.BYTES);
  }

  @Override
  void fill(ScoreRequest.Builder request, int first, int count) {
    Matrix.Builder matrix = request.getMatrixBuilder().addAllColumns(columns).setRows(count);
    if (doubles == null) {
      FloatArray.Builder values = matrix.getFloatsBuilder();
      for (int row = first; row < first + count; row++) {
        for (float value : floats[row]) {
          values.addValues(value);
        }
      }
    } else {
      DoubleArray.Builder values = matrix.getDoublesBuilder();
      for (int row = first; row < first + count; row++) {
        for (double value : doubles[row]) {
          values.addValues(value);
        }
      }
    }
  }

  private int length(int row) {
    Object values = doubles == null ? floats[row] : doubles[row];
    if (values == null) {
      throw new IllegalArgumentException("row " + row + " is null: give an array, with NaN for missing values");
    }
    return doubles == null ? floats[row].length : doubles[row].length;
  }
}
