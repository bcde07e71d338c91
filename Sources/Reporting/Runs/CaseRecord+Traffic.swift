// SPDX-License-Identifier: Apache-2.0
// epsim: from counters to the traffic figures of a record.

internal import CostModel
internal import Placement

extension CaseRecord.Copies {
  init(_ total: LayerTraffic, _ volume: MeanVolume, perStep: (Int) -> Double) {
    // Assignments and distinct destinations are the same both ways.
    func both(_ count: Int) -> CaseRecord.BothWays {
      CaseRecord.BothWays(dispatch: perStep(count), combine: perStep(count))
    }
    logical = both(total.assignments)
    offRank = both(total.offRankRaw)
    offRankRankDedup = both(total.offRankRankDedup)
    offNode = both(total.offNodeRaw)
    offNodeRankDedup = both(total.offNodeRankDedup)
    offNodeNodeDedup = both(total.offNodeNodeDedup)
    travelled = volume.mean(\.rows)
    travelledOffNode = volume.mean(\.offNodeRows)
  }
}

extension CaseRecord.Bytes {
  init(_ copies: CaseRecord.Copies, rowBytes: (dispatch: Int, combine: Int)) {
    func bytes(_ copies: CaseRecord.BothWays) -> CaseRecord.BothWays {
      CaseRecord.BothWays(
        dispatch: copies.dispatch * Double(rowBytes.dispatch),
        combine: copies.combine * Double(rowBytes.combine))
    }
    logical = bytes(copies.logical)
    offRank = bytes(copies.travelled)
    offNode = bytes(copies.travelledOffNode)
  }
}

extension CaseRecord.Replicas {
  init(_ measurement: CaseMeasurement) {
    let placement = measurement.placement
    extraSlots = placement.extraSlotCount
    extraBytes = extraSlots * measurement.expertBytes * measurement.weightLayerCount
    useless = placement.uselessReplicaCount
  }
}
