#include "migrate/incoming_disks.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "image/qemu_img.hpp"

namespace sealift::migrate {

namespace {

constexpr Milliseconds kNbdPatience{20'000};
constexpr Milliseconds kCreatePatience{60'000};

Result<image::OpenImage> open_image(const IncomingDisk& disk, const file::Path& path, LocalHost& host,
                                    const file::Path& scratch, const Stop& stop) {
  const Status created =
      image::create(path, disk.format, disk.virtual_bytes, Deadline::in(kCreatePatience), stop);
  if (!created && created.error().code != Code::kConflict)
    return std::unexpected(created.error());  // there already: a cold move goes on
  SEALIFT_TRY_STATUS(hypervisor::qemu::give_to_guest_user(path, host.guest_user()));
  image::QemuNbdOptions options;
  options.image = path;
  options.format = disk.format;
  options.access = image::Access::kReadWrite;
  options.socket = scratch / (disk.name + ".s");
  options.log = scratch / (disk.name + ".log");
  options.drop_to = host.guest_user();
  auto image = SEALIFT_TRY(image::OpenImage::open(options, Deadline::in(kNbdPatience), stop));
  if (image.source()->size_bytes() != disk.virtual_bytes)
    return fail(Code::kConflict, "{} has {} bytes instead of {}", path.string(), image.source()->size_bytes(),
                disk.virtual_bytes);
  return image;
}

std::unique_ptr<EarlierCopy> open_earlier(const std::vector<EarlierDisk>& kept, const IncomingDisk& disk,
                                          const file::Path& scratch) {
  const auto found = std::ranges::find(kept, disk.name, &EarlierDisk::name);
  if (found == kept.end()) return nullptr;
  auto copy = EarlierCopy::open(found->path, found->format, disk.virtual_bytes, scratch / (disk.name + ".e"));
  if (copy) return std::move(*copy);
  log_info("move.earlier_copy", {{"path", found->path.string()}, {"not_used", copy.error().message}});
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<IncomingDisks>> IncomingDisks::open(const IncomingVm& vm, const IncomingPlace& place,
                                                           LocalHost& host, const file::Path& scratch,
                                                           const Stop& stop) {
  if (place.placement.disks.size() != vm.disks.size())
    return fail(Code::kInternal, "the incoming place has {} disks, the VM {}", place.placement.disks.size(),
                vm.disks.size());
  auto out = std::make_unique<IncomingDisks>();
  const auto kept = host.earlier_disks(vm.id);
  for (std::size_t i = 0; i < vm.disks.size(); ++i) {
    const IncomingDisk& disk = vm.disks[i];
    auto image = SEALIFT_TRY(open_image(disk, place.placement.disks[i], host, scratch, stop));
    auto table =
        SEALIFT_TRY(image::LeafTable::open(place.directory / (disk.name + ".leaves"), disk.virtual_bytes));
    out->disks_.push_back({std::move(image), std::move(table), open_earlier(kept, disk, scratch)});
  }
  return out;
}

std::vector<DestinationDisk> IncomingDisks::ends() const {
  std::vector<DestinationDisk> out;
  out.reserve(disks_.size());
  for (const Disk& disk : disks_)
    out.push_back({disk.image.sink(), disk.image.source(), disk.table.get(), disk.earlier.get()});
  return out;
}

Status IncomingDisks::close() {
  for (Disk& disk : disks_) SEALIFT_TRY_STATUS(disk.image.close(Deadline::in(kNbdPatience)));
  return {};
}

Result<std::vector<crypto::Digest>> IncomingDisks::roots() {
  std::vector<crypto::Digest> roots;
  roots.reserve(disks_.size());
  for (const Disk& disk : disks_) roots.push_back(SEALIFT_TRY(disk.table->root()));
  return roots;
}

}  // namespace sealift::migrate
