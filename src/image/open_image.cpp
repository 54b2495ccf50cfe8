#include "image/open_image.hpp"

namespace sealift::image {

Result<OpenImage> OpenImage::open(const QemuNbdOptions& options, Deadline deadline, const Stop& stop) {
  OpenImage image;
  if (options.format == "raw") {
    image.raw_ = SEALIFT_TRY(RawFile::open(options.image, options.access));
    return image;
  }
  image.server_ = SEALIFT_TRY(QemuNbd::start(options, deadline, stop));
  image.disk_ = SEALIFT_TRY(NbdDisk::open(image.server_->connection(), options.access, deadline, stop));
  return image;
}

BlockSource* OpenImage::source() const {
  return raw_ ? static_cast<BlockSource*>(raw_.get()) : static_cast<BlockSource*>(disk_.get());
}

BlockSink* OpenImage::sink() const {
  return raw_ ? static_cast<BlockSink*>(raw_.get()) : static_cast<BlockSink*>(disk_.get());
}

Status OpenImage::close(Deadline deadline) {
  raw_.reset();
  disk_.reset();
  return server_ ? server_->end(deadline) : Status{};
}

}  // namespace sealift::image
