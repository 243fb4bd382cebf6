import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.params.SetParams;

/**
 * Publishes a batch of the group "shop" as docs/features.md lays it out: the rows beside those of the current batch, then
 * a count of what is there, and last the description, by which readers see all of it at once.
 *
 * <p>Usage: PublishFeatures URL BATCH COUNT
 */
public final class PublishFeatures {
  private static final String GROUP = "shop";
  private static final String META = "sb:{" + GROUP + "}:meta";
  private static final String LOCK = "sb:{" + GROUP + "}:publishing";
  private static final long TTL_S = 3 * 86_400;
  private static final long LOCK_MS = 30_000;
  private static final int AT_ONCE = 1000;
  private static final JsonArray FEATURES =
      JsonParser.parseString("[[\"orders\",\"int\"],[\"city\",\"string\"],[\"spent\",\"double\"]]").getAsJsonArray();

  /** A customer; what is null is missing. */
  record Customer(String key, Integer orders, String city, Double spent) {}

  /** The bytes of a row: the schema's number, then all numbers in the features' order, then all texts. */
  static byte[] pack(long schema, Customer one) {
    byte[] city = one.city() == null ? new byte[0] : one.city().getBytes(StandardCharsets.UTF_8);
    ByteBuffer row = ByteBuffer.allocate(4 + 2 * 8 + 4 + city.length).order(ByteOrder.LITTLE_ENDIAN);
    row.putInt((int) schema);
    row.putDouble(one.orders() == null ? Double.NaN : one.orders());
    row.putDouble(one.spent() == null ? Double.NaN : one.spent());
    row.putInt(one.city() == null ? -1 : city.length).put(city);
    return row.array();
  }

  private static byte[] key(String batch, String entity) {
    return ("sb:{" + GROUP + "}:row:" + batch + ":" + entity).getBytes(StandardCharsets.UTF_8);
  }

  /** Returns the schema's number: the current batch's, if its features are ours. */
  private static long schema(JsonObject meta) {
    if (!meta.has("current") || meta.get("current").isJsonNull()) {
      return 1;
    }
    JsonObject current = meta.getAsJsonObject("current");
    if (!current.get("features").equals(FEATURES)) {
      throw new IllegalStateException("the features have changed: readers of the current batch need the old ones");
    }
    return current.get("schema").getAsLong();
  }

  private static void write(Jedis redis, String token, String batch, long schema, List<Customer> customers) {
    for (int first = 0; first < customers.size(); first += AT_ONCE) {
      if (!token.equals(redis.get(LOCK))) {
        throw new IllegalStateException("another publisher has taken the group over");
      }
      Pipeline pipeline = redis.pipelined();
      for (Customer one : customers.subList(first, Math.min(first + AT_ONCE, customers.size()))) {
        pipeline.set(key(batch, one.key()), pack(schema, one), SetParams.setParams().ex(TTL_S));
      }
      pipeline.pexpire(LOCK, LOCK_MS);
      pipeline.sync();
    }
  }

  private static long count(Jedis redis, String batch, List<Customer> customers) {
    long there = 0;
    for (int first = 0; first < customers.size(); first += AT_ONCE) {
      List<Customer> some = customers.subList(first, Math.min(first + AT_ONCE, customers.size()));
      there += redis.exists(some.stream().map(one -> key(batch, one.key())).toArray(byte[][]::new));
    }
    return there;
  }

  private static void flip(Jedis redis, String token, String before, JsonObject meta, JsonObject batch) {
    redis.sadd("sb:groups", GROUP);
    redis.watch(META, LOCK);
    String now = redis.get(META);
    if (!token.equals(redis.get(LOCK)) || !(now == null ? "" : now).equals(before)) {
      throw new IllegalStateException("another publisher has changed the group");
    }
    List<String> time = redis.time(); // the store's own clock, whatever this machine's says
    batch.addProperty("published_ms", Long.parseLong(time.get(0)) * 1000 + Long.parseLong(time.get(1)) / 1000);
    meta.add("previous", meta.has("current") ? meta.get("current") : JsonNull.INSTANCE);
    meta.add("current", batch);
    Transaction transaction = redis.multi();
    transaction.set(META, new Gson().newBuilder().serializeNulls().create().toJson(meta));
    transaction.del(LOCK);
    if (transaction.exec() == null) {
      throw new IllegalStateException("another publisher has changed the group");
    }
  }

  private static void publish(Jedis redis, String batchName, List<Customer> customers) {
    String token = "java:" + ProcessHandle.current().pid() + ":" + UUID.randomUUID();
    if (redis.set(LOCK, token, SetParams.setParams().nx().px(LOCK_MS)) == null) {
      throw new IllegalStateException("another publisher works on the group");
    }
    String before = redis.get(META) == null ? "" : redis.get(META);
    JsonObject meta = before.isEmpty() ? new JsonObject() : JsonParser.parseString(before).getAsJsonObject();
    meta.addProperty("format", 1);
    meta.addProperty("kind", "batch");
    meta.addProperty("timezone", "Europe/Berlin");
    long schema = schema(meta);
    write(redis, token, batchName, schema, customers);
    long there = count(redis, batchName, customers);
    if (there != customers.size()) {
      throw new IllegalStateException(there + " of " + customers.size() + " rows are in the store");
    }
    JsonObject batch = new JsonObject();
    batch.addProperty("batch", batchName);
    batch.addProperty("schema", schema);
    batch.add("features", FEATURES);
    batch.addProperty("entities", customers.size());
    batch.addProperty("ttl_s", TTL_S);
    flip(redis, token, before, meta, batch);
  }

  /** Publishes made-up customers, whose keys are c0, c1 and so on. */
  public static void main(String[] arguments) {
    int count = Integer.parseInt(arguments[2]);
    List<Customer> customers =
        IntStream.range(0, count)
            .mapToObj(
                at -> new Customer("c" + at, at % 4 == 0 ? null : at, at % 3 == 0 ? null : "städt" + at, at / 8.0))
            .toList();
    try (Jedis redis = new Jedis(URI.create(arguments[0]))) {
      publish(redis, arguments[1], customers);
    }
    System.out.println("published " + count + " customers as batch " + arguments[1]);
  }
}
