#include "app/local_host.hpp"

namespace sealift::app {

namespace {

constexpr Milliseconds kStartWithin{60'000};

Result<host::IncomingRequest> to_request(const migrate::IncomingVm& vm) {
  host::IncomingRequest request{.id = vm.id,
                                .from = vm.from.text(),
                                .definition = vm.definition,
                                .formats = {},
                                .allocated_bytes = {},
                                .live = vm.live,
                                .bridged = vm.bridged,
                                .map_networks = vm.map_networks,
                                .map_pools = vm.map_pools};
  for (const migrate::IncomingDisk& disk : vm.disks) {
    request.formats.push_back(SEALIFT_TRY(hypervisor::parse_disk_format(disk.format)));
    request.allocated_bytes.push_back(disk.allocated_bytes);
  }
  if (request.formats.size() != request.definition.disks.size()) {
    return fail(Code::kInvalid, "the definition has {} disks, the request {}",
                request.definition.disks.size(), request.formats.size());
  }
  return request;
}

}  // namespace

Result<migrate::LocalVm> HostForMoves::find(const std::string& name_or_id) {
  host::VmView vm = SEALIFT_TRY(host_.find(name_or_id));
  return migrate::LocalVm{.id = vm.id,
                          .definition = std::move(vm.definition),
                          .placement = std::move(vm.placement),
                          .machine = std::move(vm.machine)};
}

Status HostForMoves::hold(const ledger::VmId& vm, const ledger::MoveId& move) {
  return host_.hold(vm, move.hex());
}

void HostForMoves::release(const ledger::VmId& vm, const ledger::MoveId& move) {
  host_.release(vm, move.hex());
}

bool HostForMoves::records_settled(const ledger::VmId& vm) {
  return records_.numbers(vm).settled;
}

Result<std::shared_ptr<hypervisor::Machine>> HostForMoves::start_held(const ledger::VmId& vm) {
  return host_.start_held(vm, Deadline::in(kStartWithin));
}

Result<WallTime> HostForMoves::quarantine(const ledger::VmId& vm, const ledger::MoveId& move,
                                          const std::string& to) {
  return host_.quarantine(vm, move.hex(), to);
}

migrate::IncomingPlan HostForMoves::check_incoming(const migrate::IncomingVm& vm) {
  const auto request = to_request(vm);
  if (!request) return {.refused = {request.error().message}, .mapped = {}};
  host::IncomingVerdict verdict = host_.check_incoming(*request);
  return {.refused = std::move(verdict.refused), .mapped = std::move(verdict.mapped)};
}

Result<migrate::IncomingPlace> HostForMoves::make_incoming(const ledger::MoveId& move,
                                                           const migrate::IncomingVm& vm) {
  const host::IncomingRequest request = SEALIFT_TRY(to_request(vm));
  host::IncomingPlace place = SEALIFT_TRY(host_.make_incoming(move.hex(), request));
  return migrate::IncomingPlace{.directory = std::move(place.directory),
                                .placement = std::move(place.placement)};
}

Result<migrate::IncomingPlace> HostForMoves::incoming(const ledger::MoveId& move) {
  host::IncomingPlace place = SEALIFT_TRY(host_.incoming(move.hex()));
  return migrate::IncomingPlace{.directory = std::move(place.directory),
                                .placement = std::move(place.placement)};
}

std::vector<ledger::MoveId> HostForMoves::incoming_moves() {
  std::vector<ledger::MoveId> moves;
  for (const std::string& move : host_.incoming_moves()) {
    if (const auto digest = crypto::Digest::from_hex(move)) moves.push_back({*digest});
  }
  return moves;
}

std::vector<migrate::EarlierDisk> HostForMoves::earlier_disks(const ledger::VmId& vm) {
  std::vector<migrate::EarlierDisk> disks;
  for (host::KeptDisk& disk : host_.newest_copy(vm))
    disks.push_back({std::move(disk.name), std::string(to_string(disk.format)), std::move(disk.path)});
  return disks;
}

Result<std::shared_ptr<hypervisor::Machine>> HostForMoves::launch_incoming(const ledger::MoveId& move) {
  return host_.launch_incoming(move.hex(), Deadline::in(kStartWithin));
}

Result<std::shared_ptr<hypervisor::Machine>> HostForMoves::incoming_machine(const ledger::MoveId& move) {
  return host_.incoming_machine(move.hex());
}

Status HostForMoves::adopt_incoming(const ledger::MoveId& move) {
  return host_.adopt_incoming(move.hex());
}

Status HostForMoves::destroy_incoming(const ledger::MoveId& move) {
  return host_.destroy_incoming(move.hex());
}

Status HostForMoves::quarantine_incoming(const ledger::MoveId& move, const std::string& why) {
  return host_.quarantine_incoming(move.hex(), why);
}

}  // namespace sealift::app
