// SPDX-License-Identifier: Apache-2.0
// epsim: the live routers of a case's layers.

internal import MoE

/// A router for every layer of a case, on one workspace; none where choices are looked up.
struct CaseRouters {
  let ofLayer: [Int: LiveRouter]
  /// Where the routers look at the tokens of all ranks.
  let global: GlobalBatch?

  init(
    _ runCase: RunCase, configuration: RunConfiguration, rank: Int, shard: ExpertShard,
    buffers: LayerBuffers
  ) throws {
    guard case .router(let live) = configuration.routing(of: runCase) else {
      ofLayer = [:]
      global = nil
      return
    }
    let rules = try configuration.layers.map { try live.router(layer: $0) }
    let workspace = RoutingWorkspace(
      live, rules: rules, configuration: configuration, rank: rank)
    global = workspace.global
    let routers = zip(configuration.layers, rules).map { layer, rule in
      LiveRouter(
        rule: rule, gate: shard.routerProduct!, gateWeights: shard.routerWeights(layer: layer)!,
        biasUpdateRate: live.biasUpdateRate,
        hasBias: configuration.model.router.hasSelectionBias, workspace: workspace, layer: layer,
        rank: rank, buffers: buffers)
    }
    ofLayer = Dictionary(uniqueKeysWithValues: zip(configuration.layers, routers))
  }
}
