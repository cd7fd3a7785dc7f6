#pragma once

// A framing as simple as can be, for the tests of the journal: no blocks, no padding.
//
//   u32 crc32c(uuid, number, offset, rest) | u8 type | u32 behind | u64 first id | u32 ids
//   | u32 size | payload                    (OPEN: payload is the four numbers of OpenFacts)

#include <string>
#include <string_view>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/journal/framing.h"

namespace aidb::journal {

class ToyFraming : public Framing {
 public:
  static constexpr uint64_t kHeaderBytes = 25;
  enum Type : uint8_t { kRecordType = 1, kOpenType, kCloseType, kMarkType };

  uint64_t FramedSize(const Record& record, RecordId /*first_id*/,
                      uint64_t /*offset*/) const override {
    return kHeaderBytes + record.payload.size();
  }
  uint64_t ControlSize(ControlKind kind, uint64_t /*offset*/) const override {
    return kHeaderBytes + (kind == ControlKind::kOpen ? 32 : 0);
  }
  void Encode(const Place& place, const Record& record, std::span<std::byte> out) const override {
    Frame(place, kRecordType, record.ids, record.payload, out);
  }
  void EncodeControl(const Place& place, ControlKind kind, const OpenFacts& open,
                     std::span<std::byte> out) const override {
    std::string payload;
    if (kind == ControlKind::kOpen) {
      AppendLe(payload, open.previous_number);
      AppendLe(payload, open.previous_end);
      AppendLe(payload, open.previous_durable);
      AppendLe(payload, ToNumber(open.first_id));
    }
    Frame(place, static_cast<uint8_t>(kOpenType + static_cast<uint8_t>(kind)), 0, payload, out);
  }

  Parsed Parse(std::string_view bytes, bool more_follows, uint64_t offset, const FileIdentity& file,
               std::string& /*scratch*/) const override {
    Parsed parsed;
    if (bytes.substr(0, kHeaderBytes).find_first_not_of('\0') == std::string_view::npos) {
      parsed.kind = ParseKind::kFill;
      return parsed;
    }
    const auto bad = [&](const char* reason) {
      parsed.kind = ParseKind::kBad;
      parsed.reason = reason;
      return parsed;
    };
    if (bytes.size() < kHeaderBytes) {
      if (more_follows) parsed.kind = ParseKind::kNeedMore;
      return more_follows ? parsed : bad("ends inside a header");
    }
    const uint32_t size = LoadLe<uint32_t>(bytes.data() + 21);
    if (size > bytes.size() - kHeaderBytes) {
      if (more_follows) parsed.kind = ParseKind::kNeedMore;
      return more_follows ? parsed : bad("ends inside a payload");
    }
    const std::string_view whole = bytes.substr(0, kHeaderBytes + size);
    if (LoadLe<uint32_t>(whole.data()) != Checksum(file, offset, whole.substr(4))) {
      return bad("fails its checksum");
    }
    const auto type = static_cast<uint8_t>(whole[4]);
    if (type < kRecordType || type > kMarkType) {
      parsed.kind = ParseKind::kNewer;
      parsed.reason = "is of an unknown type";
      return parsed;
    }
    parsed.size = whole.size();
    parsed.behind = LoadLe<uint32_t>(whole.data() + 5);
    parsed.first_id = RecordId{LoadLe<uint64_t>(whole.data() + 9)};
    parsed.ids = LoadLe<uint32_t>(whole.data() + 17);
    parsed.payload = whole.substr(kHeaderBytes);
    if (type == kRecordType) {
      parsed.kind = ParseKind::kRecord;
      return parsed;
    }
    parsed.kind = ParseKind::kControl;
    parsed.control = static_cast<ControlKind>(type - kOpenType);
    if (parsed.control == ControlKind::kOpen) {
      if (size != 32) return bad("is a head of the wrong size");
      const char* at = parsed.payload.data();
      parsed.open = {.previous_number = LoadLe<uint64_t>(at),
                     .previous_end = LoadLe<uint64_t>(at + 8),
                     .previous_durable = LoadLe<uint64_t>(at + 16),
                     .first_id = RecordId{LoadLe<uint64_t>(at + 24)}};
    }
    return parsed;
  }

  std::optional<Evidence> FindEvidence(std::string_view bytes, uint64_t skip, uint64_t offset,
                                       const FileIdentity& file) const override {
    std::string scratch;
    for (uint64_t at = skip; at + kHeaderBytes <= bytes.size(); ++at) {
      if (bytes[at + 4] < kRecordType || bytes[at + 4] > kMarkType) continue;
      const Parsed parsed = Parse(bytes.substr(at), false, offset + at, file, scratch);
      if (parsed.kind == ParseKind::kRecord || parsed.kind == ParseKind::kControl) {
        return Evidence{.offset = offset + at, .size = parsed.size, .behind = parsed.behind};
      }
    }
    return std::nullopt;
  }
  uint64_t PieceBytesMax() const override { return uint64_t{1} << 20; }

 private:
  static uint32_t Checksum(const FileIdentity& file, uint64_t offset, std::string_view rest) {
    std::string salt(reinterpret_cast<const char*>(file.journal_uuid.data()), 16);
    AppendLe(salt, file.number);
    AppendLe(salt, offset);
    return MaskCrc(ExtendCrc32c(Crc32c(salt), rest));
  }
  static void Frame(const Place& place, uint8_t type, uint32_t ids, std::string_view payload,
                    std::span<std::byte> out) {
    std::string rest(1, static_cast<char>(type));
    AppendLe(rest, place.behind);
    AppendLe(rest, ToNumber(place.first_id));
    AppendLe(rest, ids);
    AppendLe(rest, static_cast<uint32_t>(payload.size()));
    rest.append(payload);
    StoreLe<uint32_t>(out.data(), Checksum(place.file, place.offset, rest));
    std::memcpy(out.data() + 4, rest.data(), rest.size());
  }
};

}  // namespace aidb::journal
