#include "migrate/test_host_side.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kStartPatience{60'000};

host::IncomingRequest request_of(const IncomingVm& vm) {
  host::IncomingRequest request;
  request.id = vm.id;
  request.from = vm.from.text();
  request.definition = vm.definition;
  request.live = vm.live;
  request.bridged = vm.bridged;
  request.map_networks = vm.map_networks;
  request.map_pools = vm.map_pools;
  for (const IncomingDisk& disk : vm.disks) {
    const auto format = hypervisor::parse_disk_format(disk.format);
    request.formats.push_back(format ? *format : hypervisor::DiskFormat::kRaw);
    request.allocated_bytes.push_back(disk.allocated_bytes);
  }
  return request;
}

IncomingPlace place_of(host::IncomingPlace place) {
  return {std::move(place.directory), std::move(place.placement)};
}

}  // namespace

Result<LocalVm> HostSide::find(const std::string& name_or_id) {
  host::VmView view = SEALIFT_TRY(host_.find(name_or_id));
  return LocalVm{view.id, std::move(view.definition), std::move(view.placement), std::move(view.machine)};
}

Status HostSide::hold(const ledger::VmId& vm, const ledger::MoveId& move) {
  return host_.hold(vm, move.hex());
}

void HostSide::release(const ledger::VmId& vm, const ledger::MoveId& move) {
  host_.release(vm, move.hex());
}

bool HostSide::records_settled(const ledger::VmId& vm) {
  return records_.numbers(vm).settled;
}

Result<std::shared_ptr<hypervisor::Machine>> HostSide::start_held(const ledger::VmId& vm) {
  return host_.start_held(vm, Deadline::in(kStartPatience));
}

Result<WallTime> HostSide::quarantine(const ledger::VmId& vm, const ledger::MoveId& move,
                                      const std::string& why) {
  return host_.quarantine(vm, move.hex(), why);
}

IncomingPlan HostSide::check_incoming(const IncomingVm& vm) {
  host::IncomingVerdict verdict = host_.check_incoming(request_of(vm));
  return {std::move(verdict.refused), std::move(verdict.mapped)};
}

Result<IncomingPlace> HostSide::make_incoming(const ledger::MoveId& move, const IncomingVm& vm) {
  return place_of(SEALIFT_TRY(host_.make_incoming(move.hex(), request_of(vm))));
}

Result<IncomingPlace> HostSide::incoming(const ledger::MoveId& move) {
  return place_of(SEALIFT_TRY(host_.incoming(move.hex())));
}

std::vector<ledger::MoveId> HostSide::incoming_moves() {
  std::vector<ledger::MoveId> moves;
  for (const std::string& move : host_.incoming_moves()) {
    if (const auto digest = crypto::Digest::from_hex(move)) moves.push_back({*digest});
  }
  return moves;
}

std::vector<EarlierDisk> HostSide::earlier_disks(const ledger::VmId& vm) {
  std::vector<EarlierDisk> disks;
  for (host::KeptDisk& disk : host_.newest_copy(vm))
    disks.push_back({std::move(disk.name), std::string(to_string(disk.format)), std::move(disk.path)});
  return disks;
}

Result<std::shared_ptr<hypervisor::Machine>> HostSide::launch_incoming(const ledger::MoveId& move) {
  return host_.launch_incoming(move.hex(), Deadline::in(kStartPatience));
}

Result<std::shared_ptr<hypervisor::Machine>> HostSide::incoming_machine(const ledger::MoveId& move) {
  return host_.incoming_machine(move.hex());
}

Status HostSide::adopt_incoming(const ledger::MoveId& move) {
  if (adopts_to_fail > 0) return --adopts_to_fail, fail(Code::kIo, "no space left on device");
  return host_.adopt_incoming(move.hex());
}

Status HostSide::destroy_incoming(const ledger::MoveId& move) {
  if (destroys_to_fail > 0) return --destroys_to_fail, fail(Code::kIo, "a file is busy");
  return host_.destroy_incoming(move.hex());
}

Status HostSide::quarantine_incoming(const ledger::MoveId& move, const std::string& why) {
  return host_.quarantine_incoming(move.hex(), why);
}

}  // namespace sealift::migrate
