// SPDX-License-Identifier: Apache-2.0
// epsim: tests of scripts/launch.

import TestSupport
import Testing

@Suite("Launch script", .serialized)
struct LaunchScriptTests {
  private func launch(_ options: [String], _ script: String) throws -> Command {
    try Command.run("scripts/launch", options + ["--timeout", "30", "--", "sh", "-c", script])
  }

  @Test("as many ranks start as asked for, more than there are cores too")
  func ranks() throws {
    let outcome = try launch(["-n", "9"], "echo rank")
    #expect(outcome.exitCode == 0)
    #expect(outcome.output == String(repeating: "rank\n", count: 9))
    #expect(outcome.error == "")
  }

  @Test(
    "the exit code of a failing rank is that of the job, without a banner", arguments: [1, 2, 77])
  func exitCode(code: Int) throws {
    let outcome = try launch(["-n", "3"], "echo one sentence >&2; exit \(code)")
    #expect(outcome.exitCode == Int32(code))
    #expect(outcome.error.split(separator: "\n").allSatisfy { $0 == "one sentence" })
  }

  @Test("a rank that is killed by a signal is reported in one line", .requiresOpenMPI)
  func signal() throws {
    let outcome = try launch(["-n", "2"], "kill -KILL $$")
    #expect(outcome.exitCode == 137)
    #expect(outcome.error == "launch: a rank of 'sh' was ended by signal 9\n")
  }

  @Test("a job that hangs is ended and reported", .requiresOpenMPI)
  func timeout() throws {
    let outcome = try Command.run(
      "scripts/launch", ["-n", "2", "--timeout", "1", "--", "sleep", "60"])
    #expect(outcome.exitCode == 110)
    #expect(outcome.error == "launch: 'sleep' on 2 ranks was ended after 1 s\n")
    #expect(outcome.seconds < 30)
  }

  @Test("a rank has one thread unless the caller says otherwise")
  func threads() throws {
    #expect(try launch(["-n", "1"], "echo $OMP_NUM_THREADS").output == "1\n")
    let three = try Command.run(
      "scripts/launch", ["-n", "1", "--", "sh", "-c", "echo $OMP_NUM_THREADS"],
      environment: ["OMP_NUM_THREADS": "3"])
    #expect(three.output == "3\n")
  }

  @Test(
    "a wrong call is refused with the reason",
    arguments: [
      (["-n", "0", "--", "true"], 2, "'0' is not a number of ranks"),
      (["-n", "two", "--", "true"], 2, "'two' is not a number of ranks"),
      (["-n", "2"], 2, "no program after --"),
      (["-n", "2", "--timeout", "soon", "--", "true"], 2, "'soon' is not in seconds"),
      (["-n", "2", "--", "no-such-program"], 127, "there is no program 'no-such-program'"),
    ])
  func refusals(arguments: [String], code: Int, reason: String) throws {
    let outcome = try Command.run("scripts/launch", arguments)
    #expect(outcome.exitCode == Int32(code))
    #expect(outcome.error.contains(reason), "\(outcome.error)")
  }

  @Test("an option that the launcher does not know ends with its reason")
  func unknownOption() throws {
    let outcome = try Command.run("scripts/launch", ["-n", "2", "--no-such-option", "--", "true"])
    #expect(outcome.exitCode != 0)
    #expect((outcome.output + outcome.error).contains("no-such-option"), "\(outcome.error)")
  }
}
