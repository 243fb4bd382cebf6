package io.scorebridge.client;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreResponse;
import java.lang.reflect.Array;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads what a gateway answers to a call that scores. May be used by any thread. */
final class ScoreAnswer {
  private ScoreAnswer() {}

  /** The scores of an answer to so many rows; a StatusRuntimeException if it makes no sense for that many. */
  static Scores read(ScoreResponse response, int rows) {
    Map<String, Object> outputs = new LinkedHashMap<>();
    for (Column column : response.getScoresList()) {
      outputs.put(column.getName(), values(column, rows));
    }
    if (rows > 0 && outputs.isEmpty()) {
      throw senseless("no scores");
    }
    List<DefaultedRows> defaults =
        response.getDefaultedRowsList().stream().map(range -> DefaultedRows.read(range, rows)).toList();
    List<FailedRows> failures =
        response.getFailedRowsList().stream().map(range -> FailedRows.read(range, rows)).toList();
    return new Scores(
        response.getRequestId(), answeredBy(response), rows, outputs, source(response), defaults, failures);
  }

  /** An error for an answer that can't be read, with the status that gRPC itself would give it. */
  static StatusRuntimeException senseless(String what) {
    return Status.INTERNAL.withDescription("the answer makes no sense: " + what).asRuntimeException();
  }

  private static Source source(ScoreResponse response) {
    return switch (response.getSource()) {
      case SCORE_SOURCE_MODEL -> Source.MODEL;
      case SCORE_SOURCE_DEFAULT -> Source.DEFAULT;
      case SCORE_SOURCE_MIXED -> Source.MIXED;
      default -> throw senseless("scores of source " + response.getSourceValue());
    };
  }

  private static AnsweredBy answeredBy(ScoreResponse response) {
    return new AnsweredBy(
        response.getModel(),
        response.getVersion(),
        response.getDigest(),
        response.getAttempts(),
        ProtoTimes.duration(response.getQueueTime()),
        ProtoTimes.duration(response.getBackendTime()));
  }

  private static Object values(Column column, int rows) {
    Object values = values(column);
    if (Array.getLength(values) != rows) {
      throw senseless(Array.getLength(values) + " scores for " + rows + " rows");
    }
    for (int row : column.getMissingRowsList()) {
      if (Integer.compareUnsigned(row, rows) >= 0) {
        throw senseless("row " + Integer.toUnsignedString(row) + " of " + rows + " is missing");
      }
      if (values instanceof double[] numbers) {
        numbers[row] = Double.NaN;
      } else {
        Array.set(values, row, null);
      }
    }
    return values;
  }

  private static Object values(Column column) {
    return switch (column.getValuesCase()) {
      case FLOATS -> column.getFloats().getValuesList().stream().mapToDouble(Float::doubleValue).toArray();
      case INT32S -> column.getInt32S().getValuesList().stream().mapToDouble(Integer::doubleValue).toArray();
      case INT64S -> column.getInt64S().getValuesList().stream().mapToDouble(Long::doubleValue).toArray();
      case BOOLS -> column.getBools().getValuesList().stream().mapToDouble(one -> one ? 1 : 0).toArray();
      case STRINGS -> column.getStrings().getValuesList().toArray(new String[0]);
      default -> column.getDoubles().getValuesList().stream().mapToDouble(Double::doubleValue).toArray();
    };
  }
}
