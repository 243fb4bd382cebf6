package scorebridge;

import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** A node of the settings given as NAME=VALUE; prints its port for HTTP when it answers. It ends with its input. */
public final class SearchNode extends Node {
    private SearchNode(Settings settings) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "search-node"),
              List.of(Netty4Plugin.class), false);
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        Node node = new SearchNode(settings.build()).start();
        System.out.println(node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort());
        while (System.in.read() >= 0) { // the end of the input: whoever started this node has gone
        }
    }
}
