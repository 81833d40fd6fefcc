import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.ja.JapaneseAnalyzer;
import org.apache.lucene.analysis.ja.JapaneseBaseFormFilter;
import org.apache.lucene.analysis.ja.JapaneseKatakanaStemFilter;
import org.apache.lucene.analysis.ja.JapanesePartOfSpeechStopFilter;
import org.apache.lucene.analysis.ja.JapaneseReadingFormFilter;
import org.apache.lucene.analysis.ja.JapaneseTokenizer;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.IndexSettings;
import org.opensearch.index.analysis.AbstractIndexAnalyzerProvider;
import org.opensearch.index.analysis.AbstractTokenFilterFactory;
import org.opensearch.index.analysis.AbstractTokenizerFactory;
import org.opensearch.index.analysis.AnalyzerProvider;
import org.opensearch.index.analysis.TokenFilterFactory;
import org.opensearch.index.analysis.TokenizerFactory;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.AnalysisPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * An OpenSearch node from its jars, with the plugins that a node needs to serve and to understand Japanese.
 *
 * <p>usage: SearchServer HTTP_PORT TRANSPORT_PORT. Its home is the folder that it runs in: settings can't hold every path (a
 * comma separates two, and a placeholder is replaced).
 */
public final class SearchServer {
  public static void main(String[] arguments) throws Exception {
    for (String folder : List.of("config", "data", "logs")) Files.createDirectories(Path.of(folder));
    Settings settings =
        Settings.builder()
            .put("path.home", ".")
            .put("path.data", "data")
            .put("path.logs", "logs")
            .put("cluster.name", "musubi")
            .put("node.name", "local")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[0])
            .put("transport.port", arguments[1])
            .put("discovery.type", "single-node")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            // Thread pools are sized by this; a local stack shares its cores with everything else.
            .put("node.processors", 1)
            // A nearly full disk must not turn the indices read-only on a developer's machine.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("node.store.allow_mmap", false)
            .build();
    Node node = new SingleNode(settings);
    node.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
    Thread.currentThread().join();
  }

  private static void close(Node node) {
    try {
      node.close();
    } catch (IOException error) {
      System.err.println("not closed cleanly: " + error.getMessage());
    }
  }

  private static final class SingleNode extends Node {
    SingleNode(Settings settings) {
      super(
          InternalSettingsPreparer.prepareEnvironment(settings, Collections.emptyMap(), null, () -> "local"),
          List.of(
              Netty4Plugin.class,
              CommonAnalysisPlugin.class,
              MapperExtrasPlugin.class,
              ReindexPlugin.class,
              PainlessPlugin.class,
              Kuromoji.class),
          false);
    }
  }

  /** Lucene's Japanese analysis under the names that OpenSearch's own analysis-kuromoji plugin gives it. */
  public static final class Kuromoji extends Plugin implements AnalysisPlugin {
    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
      return Map.of("kuromoji_tokenizer", (index, environment, name, settings) -> new KuromojiTokenizer(index, name, settings));
    }

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
      return Map.of("kuromoji", (index, environment, name, settings) -> new KuromojiAnalyzer(index, name, settings));
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
      Map<String, AnalysisProvider<TokenFilterFactory>> filters = new HashMap<>();
      filters.put("kuromoji_baseform", filter(settings -> JapaneseBaseFormFilter::new));
      filters.put("kuromoji_stemmer", filter(settings -> JapaneseKatakanaStemFilter::new));
      filters.put(
          "kuromoji_part_of_speech",
          filter(settings -> tokens -> new JapanesePartOfSpeechStopFilter(tokens, JapaneseAnalyzer.getDefaultStopTags())));
      filters.put(
          "kuromoji_readingform",
          filter(settings -> tokens -> new JapaneseReadingFormFilter(tokens, settings.getAsBoolean("use_romaji", false))));
      return filters;
    }

    private interface FilterOf {
      UnaryOperator<TokenStream> with(Settings settings);
    }

    private static AnalysisProvider<TokenFilterFactory> filter(FilterOf filter) {
      return (index, environment, name, settings) -> new KuromojiFilter(index, name, settings, filter.with(settings));
    }
  }

  private static JapaneseTokenizer.Mode mode(Settings settings) {
    return JapaneseTokenizer.Mode.valueOf(settings.get("mode", "search").toUpperCase(Locale.ROOT));
  }

  private static final class KuromojiTokenizer extends AbstractTokenizerFactory {
    private final JapaneseTokenizer.Mode mode;
    private final boolean discardPunctuation;

    KuromojiTokenizer(IndexSettings index, String name, Settings settings) {
      super(index, settings, name);
      mode = mode(settings);
      discardPunctuation = settings.getAsBoolean("discard_punctuation", true);
    }

    @Override
    public Tokenizer create() {
      return new JapaneseTokenizer(null, discardPunctuation, mode);
    }
  }

  private static final class KuromojiFilter extends AbstractTokenFilterFactory {
    private final UnaryOperator<TokenStream> filter;

    KuromojiFilter(IndexSettings index, String name, Settings settings, UnaryOperator<TokenStream> filter) {
      super(index, name, settings);
      this.filter = filter;
    }

    @Override
    public TokenStream create(TokenStream tokens) {
      return filter.apply(tokens);
    }
  }

  private static final class KuromojiAnalyzer extends AbstractIndexAnalyzerProvider<JapaneseAnalyzer> {
    private final JapaneseAnalyzer analyzer;

    KuromojiAnalyzer(IndexSettings index, String name, Settings settings) {
      super(index, name, settings);
      analyzer =
          new JapaneseAnalyzer(null, mode(settings), JapaneseAnalyzer.getDefaultStopSet(), JapaneseAnalyzer.getDefaultStopTags());
    }

    @Override
    public JapaneseAnalyzer get() {
      return analyzer;
    }
  }
}
