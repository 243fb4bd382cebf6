import java.net.URI;
import java.time.LocalDate;
import java.time.ZoneId;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;

/**
 * Counts an order of a customer into the stream's group "today", as a stream job does for each event.
 *
 * <p>The hash of a day lives until the end of the day after, so that a call at midnight finds both.
 *
 * <p>Usage: CountOrder URL CUSTOMER AMOUNT
 */
public final class CountOrder {
  private static final ZoneId ZONE = ZoneId.of("Europe/Berlin"); // the group's, as declared

  /** Counts one order of today. */
  public static void main(String[] arguments) {
    LocalDate day = LocalDate.now(ZONE); // of a job that reads events: the day of the event
    String key = "sb:{today}:day:" + day + ":" + arguments[1];
    try (Jedis redis = new Jedis(URI.create(arguments[0]))) {
      Pipeline pipeline = redis.pipelined();
      pipeline.hincrByFloat(key, "orders", 1);
      pipeline.hincrByFloat(key, "spent", Double.parseDouble(arguments[2]));
      pipeline.expireAt(key, day.plusDays(2).atStartOfDay(ZONE).toEpochSecond());
      pipeline.sync();
    }
    System.out.println("counted");
  }
}
