// SPDX-License-Identifier: Apache-2.0
// epsim: tests of scripts/launch.

import Foundation
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

  @Test(
    "what is wrong with a hostfile is said with its place, before anything starts",
    .requiresOpenMPI,
    arguments: [
      ("localhost slots=abc\n", "line 1 of the hostfile 'F': 'slots=abc' is not a whole number"),
      ("# two\nlocalhost slots=0\n", "line 2 of the hostfile 'F': 'slots=0' is not a whole number"),
      ("localhost\nlocalhost slot=2\n", "line 2 of the hostfile 'F': 'slot' is none of slots"),
      ("localhost slots 4\n", "line 1 of the hostfile 'F': 'slots' is not slots=N"),
      ("slots=4\n", "line 1 of the hostfile 'F': 'slots=4' is not a host name"),
      ("# nobody\n", "the hostfile 'F' names no host"),
      ("localhost slots=2\n", "3 ranks do not fit into the 2 slots of the hostfile 'F'"),
      (nil, "there is no hostfile 'F'"),
    ])
  func hostfiles(text: String?, reason: String) throws {
    let outcome = try launch(hostfile: text, ["-n", "3"])
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.hasPrefix("launch: " + reason), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1)
  }

  @Test(
    "more ranks than slots start where that is asked for, and as many as slots always",
    .requiresOpenMPI)
  func slots() throws {
    let asked = try launch(hostfile: "localhost slots=2\n", ["-n", "3", "--oversubscribe"])
    #expect(asked.output == "rank\nrank\nrank\n", "\(asked.error)")
    let full = try launch(hostfile: "localhost slots = 2 max_slots=2 # full\n", ["-n", "2"])
    #expect(full.output == "rank\nrank\n", "\(full.error)")
    let list = try Command.run("scripts/launch", ["-n", "3", "--host", "a:1,b", "--", "true"])
    #expect(list.exitCode == 2)
    #expect(list.error.contains("3 ranks do not fit into the 2 slots of the host list 'a:1,b'"))
  }

  @Test(
    "a rankfile is checked against the hostfile",
    .requiresOpenMPI,
    arguments: [
      ("rank 0=nodex slot=0\n", "names the host 'nodex', which the hostfile 'F' does not"),
      ("rank zero=localhost slot=0\n", "is not 'rank N=HOST slot=CORES'"),
    ])
  func rankfiles(text: String, reason: String) throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    let outcome = try launch(
      hostfile: "localhost slots=2\n", ["-n", "1", "--rankfile", file.path])
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.hasPrefix("launch: line 1 of the rankfile '\(file.path)' "))
    #expect(outcome.error.contains(reason), "\(outcome.error)")
  }

  @Test(
    "a launch that cannot start is explained in one sentence of our own",
    .requiresOpenMPI,
    arguments: [
      // The agent stands in for ssh and says what ssh says.
      (
        "ssh: Could not resolve hostname node-a: Name or service not known",
        "the node 'node-a' is unknown: ssh cannot resolve its name"
      ),
      (
        "ssh: connect to host node-a port 22: Connection refused",
        "the node 'node-a' cannot be reached: Connection refused"
      ),
      (
        "user@node-a: Permission denied (publickey,password).",
        "a node refuses the login; 'ssh NODE true' must work for each without a question"
      ),
      (
        "bash: line 1: orted: command not found",
        "a node has no Open MPI on its PATH; install the same version there or pass --prefix"
      ),
    ])
  func unreachable(answer: String, reason: String) throws {
    let agent = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    defer { try? FileManager.default.removeItem(at: agent) }
    try Data("#!/bin/sh\necho '\(answer)' >&2\nexit 255\n".utf8).write(to: agent)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: agent.path)
    let outcome = try launch(
      hostfile: "node-a slots=2\n", ["-n", "2", "--mca", "plm_rsh_agent", agent.path])
    #expect(outcome.exitCode != 0 && outcome.exitCode != 2)
    let ours = outcome.error.split(separator: "\n").filter { $0 != answer }
    #expect(ours == ["launch: \(reason)"], "\(outcome.error)")
  }

  @Test("a launcher that does not exist is named")
  func launcher() throws {
    let outcome = try Command.run(
      "scripts/launch", ["-n", "1", "--", "true"], environment: ["MPIEXEC": "no-such-mpirun"])
    #expect(outcome.exitCode == 2)
    #expect(outcome.error == "launch: MPIEXEC names 'no-such-mpirun', which is not a program\n")
  }

  @Test("a launch is repeated, from the second on with --add-launch, up to the first failure")
  func launches() throws {
    let all = try Command.run(
      "scripts/launch", ["-n", "1", "--launches", "3", "--", "echo", "ran"])
    #expect(all.output == "ran\nran --add-launch\nran --add-launch\n")
    #expect(all.error == (1...3).map { "launch: launch \($0) of 3\n" }.joined())

    let failing = try Command.run(
      "scripts/launch",
      ["-n", "1", "--launches", "3", "--", "sh", "-c", "[ $# = 0 ] || exit 4", "sh"])
    #expect(failing.exitCode == 4)
    #expect(failing.error.hasSuffix("launch 2 of 3\n"), "\(failing.error)")
  }

  // MPICH's processes outlive their launcher by a moment.
  @Test(
    "a signal to the script alone ends the ranks soon", .requiresOpenMPI,
    arguments: ["TERM", "INT"])
  func signals(signal: String) throws {
    // Unusual, so that no other process sleeps as long.
    let sleep = "97\(ProcessInfo.processInfo.processIdentifier)"
    let outcome = try Command.run(
      "/bin/bash",
      [
        "-c",
        """
        set -m
        scripts/launch -n 2 -- sleep "$1" & script=$!
        until [[ $(ps -eo args | grep -c "^sleep $1") == 2 ]]; do sleep 0.1; done
        kill -"$2" $script; wait $script; code=$?
        ps -eo args | grep "^sleep $1"; exit $code
        """, "bash", sleep, signal,
      ])
    #expect(outcome.exitCode == (signal == "TERM" ? 143 : 130), "\(outcome.error)")
    #expect(outcome.output == "")
    #expect(outcome.error.hasPrefix("launch: 'sleep' was ended by a signal to the launch script\n"))
    #expect(outcome.seconds < 30)
  }

  /// Launches `echo rank` with a hostfile of this text, none for nil; its path reads F in errors.
  private func launch(
    hostfile text: String?, _ options: [String]
  ) throws -> (exitCode: Int32, output: String, error: String) {
    let file = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    defer { try? FileManager.default.removeItem(at: file) }
    if let text { try Data(text.utf8).write(to: file) }
    let outcome = try Command.run(
      "scripts/launch", ["--hostfile", file.path] + options + ["--", "echo", "rank"])
    return (outcome.exitCode, outcome.output, outcome.error.replacing(file.path, with: "F"))
  }
}
