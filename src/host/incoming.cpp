// Places of VMs that come in by a move: nothing of them is startable before they are adopted.

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "host/impl.hpp"

namespace sealift::host {

using namespace std::chrono_literals;
using hypervisor::Machine;

namespace {

// What is left free on a pool when a VM comes in, for the growth of those that are there.
constexpr std::uint64_t kPoolReserve = 64U << 20;

std::string mapped(const std::map<std::string, std::string>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? name : found->second;
}

// The definition as it will be here: this host's formats, pools and networks.
hypervisor::VmDefinition localised(const IncomingRequest& request) {
  hypervisor::VmDefinition definition = request.definition;
  for (std::size_t i = 0; i < definition.disks.size(); ++i) {
    definition.disks[i].pool = mapped(request.map_pools, definition.disks[i].pool);
    if (i < request.formats.size()) definition.disks[i].format = request.formats[i];
  }
  for (auto& network : definition.networks) network.name = mapped(request.map_networks, network.name);
  return definition;
}

std::uint64_t available_memory() {
  const auto text = file::read_text("/proc/meminfo", 65536);
  if (!text) return 0;
  const std::size_t at = text->find("MemAvailable:");
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 13, nullptr, 10) * 1024;
}

void check_maps(const HostConfig& config, const IncomingRequest& request,
                const hypervisor::VmDefinition& here, IncomingVerdict* out) {
  for (std::size_t i = 0; i < here.networks.size(); ++i) {
    const std::string& name = here.networks[i].name;
    const auto found = config.networks.find(name);
    if (found == config.networks.end()) {
      out->refused.push_back(
          fmt::format("network {} is not mapped: add it under [networks], or --map-net {}=NAME", name,
                      request.definition.networks[i].name));
    } else if (request.live && i < request.bridged.size() && request.bridged[i] &&
               std::holds_alternative<hypervisor::UserNetwork>(found->second)) {
      out->refused.push_back(fmt::format(
          "network {} is a bridge at {} and a user network here, QEMU takes no running guest from "
          "one to the other: map it to a bridge (--map-net {}=NAME), or move it cold",
          name, request.from, request.definition.networks[i].name));
    } else {
      out->mapped.push_back(
          fmt::format("{}: {}", request.definition.networks[i].name, describe(found->second)));
    }
  }
  std::map<std::string, std::uint64_t> needed;
  for (std::size_t i = 0; i < here.disks.size(); ++i) {
    const std::string& pool = here.disks[i].pool;
    if (!config.pools.contains(pool)) {
      out->refused.push_back(fmt::format("pool {} is not mapped: add it under [pools], or --map-pool {}=NAME",
                                         pool, request.definition.disks[i].pool));
      continue;
    }
    needed[pool] +=
        i < request.allocated_bytes.size() ? request.allocated_bytes[i] : here.disks[i].size_bytes;
    if (pool != request.definition.disks[i].pool)
      out->mapped.push_back(
          fmt::format("{}: {} -> {}", here.disks[i].name, request.definition.disks[i].pool, pool));
  }
  for (const auto& [pool, bytes] : needed) {
    const auto free = file::free_bytes(config.pools.at(pool));
    if (!free) {
      out->refused.push_back(fmt::format("pool {}: {}", pool, free.error().message));
    } else if (*free < bytes + kPoolReserve) {
      out->refused.push_back(
          fmt::format("pool {} has {} MiB free, the disks need {} MiB and a reserve of {} MiB", pool,
                      *free >> 20, bytes >> 20, kPoolReserve >> 20));
    }
  }
}

void check_accept(const AcceptPolicy& accept, const IncomingRequest& request, std::uint64_t memory_here,
                  std::size_t moves_here, IncomingVerdict* out) {
  if (accept.from && std::ranges::find(*accept.from, request.from) == accept.from->end()) {
    out->refused.push_back(fmt::format("[accept] from: moves from {} are not taken in here", request.from));
  }
  const std::uint64_t memory = request.definition.memory_bytes;
  if (accept.memory_bytes && memory_here + memory > *accept.memory_bytes) {
    out->refused.push_back(
        fmt::format("[accept] memory: {} MiB of VMs here and {} MiB more are over the limit of {} MiB",
                    memory_here >> 20, memory >> 20, *accept.memory_bytes >> 20));
  }
  std::uint64_t disk = 0;
  for (const auto& entry : request.definition.disks) disk += entry.size_bytes;
  if (accept.disk_bytes && disk > *accept.disk_bytes) {
    out->refused.push_back(fmt::format("[accept] disk: {} MiB are over the limit of {} MiB", disk >> 20,
                                       *accept.disk_bytes >> 20));
  }
  if (accept.moves && moves_here >= *accept.moves)
    out->refused.push_back(
        fmt::format("[accept] moves: {} come in already, the limit is {}", moves_here, *accept.moves));
  if (const std::uint64_t free = available_memory(); free < memory)
    out->refused.push_back(
        fmt::format("memory: {} MiB are available, the VM has {} MiB", free >> 20, memory >> 20));
}

}  // namespace

IncomingVerdict Host::check_incoming(const IncomingRequest& request) {
  IncomingVerdict out;
  if (impl_->options.hypervisor == nullptr) {
    out.refused.emplace_back("it is a witness: it holds no VMs");
    return out;
  }
  const hypervisor::VmDefinition here = localised(request);
  if (const Status fine = hypervisor::check_definition(here); !fine)
    out.refused.push_back(fine.error().message);
  for (std::string& problem : hypervisor::problems_running(here, impl_->options.hypervisor->facts()))
    out.refused.push_back(std::move(problem));
  std::uint64_t memory_here = 0;
  std::size_t moves_here = 0;
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.definition.name == here.name)
      out.refused.push_back(fmt::format("the name {} is in use there", here.name));
    if (place.row.vm == request.id) out.refused.emplace_back("a copy of this VM is there already");
    if (!place.row.adopted && !place.row.recovery()) ++moves_here;
    if (place.machine || !place.row.adopted) memory_here += place.row.definition.memory_bytes;
  }
  check_maps(impl_->options.config, request, here, &out);
  check_accept(impl_->options.config.accept, request, memory_here, moves_here, &out);
  return out;
}

Result<IncomingPlace> Host::make_incoming(const std::string& move, const IncomingRequest& request) {
  if (impl_->key_of_move(move)) return incoming(move);
  if (move.size() < 12 ||
      !std::ranges::all_of(move, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }))
    return fail(Code::kInvalid, "'{}' is not a move's id", move);
  PlaceRow row;
  row.vm = request.id;
  row.move = move;
  row.key = request.id.text() + "." + move.substr(0, 12);
  row.definition = localised(request);
  SEALIFT_TRY_STATUS(hypervisor::check_definition(row.definition));
  for (const auto& [key, place] : *impl_->places.lock()) {
    if (place.row.definition.name == row.definition.name)
      return fail(Code::kConflict, "the name {} is in use on this host", row.definition.name);
  }
  const auto placed = impl_->placement_of(row);
  if (!placed) return std::unexpected(placed.error());
  const auto made = [&]() -> Status {
    SEALIFT_TRY_STATUS(file::make_private_directory(impl_->directory_of(row.key)));
    SEALIFT_TRY_STATUS(hypervisor::qemu::let_guest_user_pass(impl_->directory_of(row.key), impl_->guest));
    for (const auto& disk : row.definition.disks) {
      SEALIFT_TRY_STATUS(impl_->make_pool_directory(disk.pool, row.key));
      row.disks.push_back(impl_->pool_directory(disk.pool, row.key) / disk_file_name(disk));
    }
    return impl_->inventory->insert(row);
  }();
  if (!made) {
    impl_->erase_files(row);
    return std::unexpected(made.error());
  }
  impl_->places.lock()->emplace(row.key, Place{.row = row, .machine = {}, .held_by = move, .busy = {}});
  return incoming(move);
}

Result<IncomingPlace> Host::incoming(const std::string& move) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move));
  const PlaceRow row = impl_->row_of(key);
  IncomingPlace place;
  place.directory = impl_->directory_of(key);
  place.placement = SEALIFT_TRY(impl_->placement_of(row));
  place.definition = row.definition;
  return place;
}

Result<std::shared_ptr<Machine>> Host::launch_incoming(const std::string& move, Deadline deadline) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move));
  const auto busy =
      SEALIFT_TRY(impl_->begin(key, "being launched", VmState::kStarting, Impl::Holder::kAnybody));
  if (const auto machine = impl_->machine_of(key)) {
    if (machine->process_state() != ProcessState::kGone) return machine;
  }
  return impl_->launch(key, hypervisor::StartMode::kIncoming, deadline);
}

Result<std::shared_ptr<Machine>> Host::incoming_machine(const std::string& move) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move));
  const auto machine = impl_->machine_of(key);
  if (!machine || machine->process_state() == ProcessState::kGone)
    return fail(Code::kNotFound, "move {} has no process here", move);
  return machine;
}

Status Host::adopt_incoming(const std::string& move) {
  const std::string key = SEALIFT_TRY(impl_->key_of_move(move));
  SEALIFT_TRY_STATUS(impl_->inventory->set_adopted(key));
  auto locked = impl_->places.lock();
  locked->at(key).row.adopted = true;
  locked->at(key).held_by = move;
  return {};
}

Status Host::destroy_incoming(const std::string& move) {
  const auto key = impl_->key_of_move(move);
  if (!key) return {};
  const auto busy = SEALIFT_TRY(impl_->begin(*key, "being destroyed", VmState::kOff, Impl::Holder::kAnybody));
  if (const auto machine = impl_->machine_of(*key)) SEALIFT_TRY_STATUS(machine->kill(Deadline::in(10s)));
  const UniqueFd lock = SEALIFT_TRY(impl_->lock_place(*key));
  const PlaceRow row = impl_->row_of(*key);
  impl_->erase_files(row);
  SEALIFT_TRY_STATUS(impl_->inventory->remove(*key));
  impl_->places.lock()->erase(*key);
  log_info("vm.incoming_destroyed", {{"vm", row.definition.name}, {"move", move.substr(0, 8)}});
  return {};
}

}  // namespace sealift::host
