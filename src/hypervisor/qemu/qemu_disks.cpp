// Dirty bitmaps and NBD exports of a running machine's disks (rounds of the disk copy).

#include <set>

#include "hypervisor/qemu/command_line.hpp"
#include "hypervisor/qemu/qemu_machine.hpp"

namespace sealift::hypervisor::qemu {

namespace {

constexpr std::uint64_t kGranularity = 262144;  // image::kLeafBytes: a dirty leaf is sent whole

bool says_not_found(const Status& status) {
  return !status && (status.error().code == Code::kNotFound ||
                     status.error().message.find("not found") != std::string::npos);
}

Json add_action(const std::string& node, const std::string& bitmap) {
  return {{"type", "block-dirty-bitmap-add"},
          {"data", {{"node", node}, {"name", bitmap}, {"granularity", kGranularity}, {"persistent", false}}}};
}

std::string export_id(const std::string& node) {
  return node + "-export";
}

Json disable_action(const std::string& node, const std::string& bitmap) {
  return {{"type", "block-dirty-bitmap-disable"}, {"data", {{"node", node}, {"name", bitmap}}}};
}

}  // namespace

Status QemuMachine::transaction(Json actions, Deadline deadline) {
  if (actions.empty()) return {};
  return command("transaction", {{"actions", std::move(actions)}}, deadline);
}

Status QemuMachine::add_bitmap(const std::string& bitmap, Deadline deadline) {
  Json actions = Json::array();
  for (std::size_t i = 0; i < definition_.disks.size(); ++i)
    actions.push_back(add_action(disk_node(i), bitmap));
  return transaction(std::move(actions), deadline);
}

Status QemuMachine::rotate_bitmap(const std::string& current, const std::string& next, Deadline deadline) {
  Json actions = Json::array();
  for (std::size_t i = 0; i < definition_.disks.size(); ++i) {
    actions.push_back(add_action(disk_node(i), next));
    actions.push_back(disable_action(disk_node(i), current));
  }
  return transaction(std::move(actions), deadline);
}

Status QemuMachine::stop_bitmap(const std::string& bitmap, Deadline deadline) {
  Json actions = Json::array();
  for (std::size_t i = 0; i < definition_.disks.size(); ++i)
    actions.push_back(disable_action(disk_node(i), bitmap));
  const Status stopped = transaction(std::move(actions), deadline);
  if (says_not_found(stopped)) return fail(Code::kNotFound, "{}", stopped.error().message);
  return stopped;
}

Status QemuMachine::remove_bitmap(const std::string& bitmap, Deadline deadline) {
  for (std::size_t i = 0; i < definition_.disks.size(); ++i) {
    const Status removed =
        command("block-dirty-bitmap-remove", {{"node", disk_node(i)}, {"name", bitmap}}, deadline);
    if (!removed && !says_not_found(removed)) return removed;
  }
  return {};
}

Status QemuMachine::remove_bitmaps(const std::string& prefix, Deadline deadline) {
  const Json nodes = SEALIFT_TRY(call("query-named-block-nodes", {{"flat", true}}, deadline));
  if (!nodes.is_array()) return fail(Code::kInvalid, "query-named-block-nodes: not a list");
  std::set<std::string> names;
  for (const Json& node : nodes) {
    const auto bitmaps = json::array(node, "dirty-bitmaps");
    if (!bitmaps) continue;
    for (const Json& bitmap : *bitmaps) {
      const auto name = json::text(bitmap, "name");
      if (name && name->starts_with(prefix)) names.insert(*name);
    }
  }
  for (const std::string& name : names) SEALIFT_TRY_STATUS(remove_bitmap(name, deadline));
  return {};
}

Result<file::Path> QemuMachine::export_disk(const std::string& disk, const std::optional<std::string>& bitmap,
                                            Deadline deadline) {
  const std::string node = disk_node(SEALIFT_TRY(disk_index(disk)));
  const file::Path socket = run_directory_ / "nbd";
  const Json address = {{"type", "unix"}, {"data", {{"path", socket.string()}}}};
  const Status started = command("nbd-server-start", {{"addr", address}}, deadline);
  if (!started && started.error().message.find("already running") == std::string::npos)
    return std::unexpected(started.error());
  SEALIFT_TRY_STATUS(remove_export(export_id(node), deadline));
  Json wanted = {
      {"type", "nbd"}, {"id", export_id(node)}, {"node-name", node}, {"name", disk}, {"writable", false}};
  if (bitmap) wanted["bitmaps"] = Json::array({*bitmap});
  SEALIFT_TRY_STATUS(command("block-export-add", wanted, deadline));
  return socket;
}

Status QemuMachine::unexport_disk(const std::string& disk, Deadline deadline) {
  const std::size_t index = SEALIFT_TRY(disk_index(disk));
  return remove_export(export_id(disk_node(index)), deadline);
}

// block-export-del only begins: the export is gone when query-block-exports no longer has it.
Status QemuMachine::remove_export(const std::string& id, Deadline deadline) {
  const Status begun = command("block-export-del", {{"id", id}, {"mode", "hard"}}, deadline);
  if (says_not_found(begun)) return {};
  if (!begun && begun.error().message.find("already shutting down") == std::string::npos) return begun;
  while (true) {
    const Json exports = SEALIFT_TRY(call("query-block-exports", {}, deadline));
    if (!exports.is_array()) return fail(Code::kInvalid, "query-block-exports: not a list");
    bool there = false;
    for (const Json& entry : exports) there = there || (json::has(entry, "id") && entry.at("id") == id);
    if (!there) return {};
    if (deadline.passed()) return fail(Code::kTimeout, "the NBD export {} does not end", id);
    Stop().sleep(Milliseconds(1));
  }
}

Status QemuMachine::unexport_all(Deadline deadline) {
  for (std::size_t i = 0; i < definition_.disks.size(); ++i)
    SEALIFT_TRY_STATUS(remove_export(export_id(disk_node(i)), deadline));
  const Status stopped = command("nbd-server-stop", {}, deadline);
  if (!stopped && stopped.error().message.find("not running") == std::string::npos) return stopped;
  return {};
}

}  // namespace sealift::hypervisor::qemu
