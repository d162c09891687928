"""What can go wrong, 85 cases, and for each the test that makes it happen, or the plain reason why none does.

`by` names tests as "file::function" below tests/ (test_catalogue.py looks that they exist). An entry without one says
in `why` what is missing: a part of the product that is not there, or a machine that tests do not have.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One case: what happens to us, and what must come of it."""

    what: str
    outcome: str
    by: tuple[str, ...] = ()
    why: str = ""


def fault(what: str, outcome: str, *by: str, why: str = "") -> Fault:
    return Fault(what, outcome, by, why)


_LOCK, _STORE, _FETCH = "test_lock.py::test_", "test_models_store.py::test_", "test_models_fetch.py::test_"
_FILES, _KEYS, _DISK = "test_history_files.py::test_", "test_keys.py::test_", "test_history_disk.py::test_"
_KILLS, _MUTATED = "test_history_kills.py::test_", "test_history_mutations.py::test_"
_REMOTE, _LLAMA, _HEADER = "test_engine_remote.py::test_", "test_engine_llama.py::test_", "test_models_header.py::test_"
_CORPUS, _MACHINE = "faults/test_model_corpus.py::test_", "faults/test_machine_faults.py::test_"
_SPEECH, _SCHEMA = "faults/test_speech_corpus.py::test_", "faults/test_schema_corpus.py::test_"
_REFUSED, _MESSAGES = "test_models_refused.py::test_", "test_tui_messages.py::test_"
_CHAT, _TERMINAL, _TEXT = "test_tui_chat.py::test_", "test_tui_terminal.py::test_", "test_text.py::test_"
_ASK, _APP, _INSTANCE = "test_cli_ask.py::test_", "test_app.py::test_", "test_instance.py::test_"
_PULSE, _READING = "test_audio_pulse.py::test_", "test_documents_reading.py::test_"
_TIMERS, _VALUES, _VOICE = "test_tools_timers.py::test_", "test_tools_values.py::test_", "test_voice_engines.py::test_"

FAULTS: dict[int, Fault] = {
    # The lock
    1: fault(
        "no seccomp",
        "does not start, or says UNLOCKED",
        f"{_LOCK}where_the_kernel_refuses_the_lock_nothing_starts",
        f"{_LOCK}allow_unlocked_starts_and_says_so",
    ),
    2: fault("a thread from before the lock", "locked too", f"{_LOCK}each_part_of_the_lock_holds_something_back"),
    3: fault("io_uring", "refused", f"{_LOCK}native_code_gets_out_without_the_lock_and_not_with_it"),
    4: fault("32-bit calls", "refused", f"{_LOCK}native_code_gets_out_without_the_lock_and_not_with_it"),
    5: fault("a name service helper", "not asked", f"{_LOCK}native_code_gets_out_without_the_lock_and_not_with_it"),
    6: fault(
        "a dependency that starts to phone home",
        "the tests fail",
        "test_privacy_static.py::test_every_native_library_that_could_connect_was_reviewed",
    ),
    7: fault(
        "a speech model by name",
        "looked for in the store, never on the network",
        f"{_REFUSED}an_unknown_name_suggests_the_nearest",
        "test_privacy_observers.py::test_five_programs_that_use_the_network_are_caught_by_both_observers",
    ),
    8: fault(
        "a recording given as an address",
        "opened by us and parsed from its descriptor",
        "faults/test_other_faults.py::test_a_recording_that_is_none_is_said",
    ),
    9: fault(
        "a link in a reply",
        "shown, never opened",
        "faults/test_other_faults.py::test_nothing_opens_a_browser",
        "test_tui_text.py::test_a_link_shows_where_it_leads_only_if_its_text_does_not",
    ),
    # The history
    10: fault(
        "killed while it saves",
        "nothing acknowledged is lost",
        f"{_KILLS}no_acknowledged_message_is_lost_in_20_kills",
        f"{_KILLS}no_acknowledged_message_is_lost_in_200_kills",
    ),
    11: fault(
        "killed in mid-reply",
        "what was shown is kept, marked interrupted",
        f"{_APP}killed_in_mid_reply_nothing_shown_is_lost_and_nothing_is_left_running",
    ),
    12: fault(
        "the disk is full when saving",
        "said, still readable",
        f"{_DISK}a_full_disk_is_told_keeps_everything_readable_and_lets_you_delete",
        f"{_MACHINE}a_full_disk_is_said_in_words",
    ),
    13: fault(
        "the disk is full when deleting",
        "the ballast makes room",
        f"{_DISK}a_full_disk_is_told_keeps_everything_readable_and_lets_you_delete",
    ),
    14: fault(
        "a flipped page",
        "noticed, the backup restored",
        f"{_MUTATED}48_mutations_of_the_database_are_noticed",
        f"{_MUTATED}600_mutations_of_the_database_are_noticed",
        f"{_FILES}damage_is_told_left_alone_and_restored_from_the_backup",
    ),
    15: fault("a damaged header", "as above", f"{_MUTATED}48_mutations_of_the_database_are_noticed"),
    16: fault("a database cut off", "as above", f"{_MUTATED}48_mutations_of_the_database_are_noticed"),
    17: fault(
        "a torn WAL",
        "opens as a whole commit",
        f"{_MUTATED}24_mutations_of_the_wal_open_as_a_whole_commit",
        f"{_MUTATED}240_mutations_of_the_wal_open_as_a_whole_commit",
    ),
    18: fault("the WAL's index deleted", "made again", f"{_MACHINE}the_wals_index_may_be_lost"),
    19: fault(
        "ten wrong passphrases",
        "a growing wait, nothing wiped",
        f"{_KEYS}wrong_passphrases_wait_longer_each_time_and_wipe_nothing",
    ),
    20: fault(
        "the keyring is gone",
        "the recovery code opens",
        f"{_KEYS}a_key_whose_keyring_is_gone_opens_with_the_recovery_code",
    ),
    21: fault("damaged key slots", "mended from the copy", f"{_FILES}damaged_key_slots_are_mended_from_their_copy"),
    22: fault(
        "a folder that cannot be written",
        "said",
        f"{_DISK}a_read_only_folder_is_told",
        f"{_MACHINE}a_home_that_cannot_be_written_is_said_in_words",
    ),
    23: fault(
        "a second chat",
        "refused, told who has it",
        f"{_INSTANCE}a_second_owner_is_refused_and_told_who",
        f"{_APP}a_session_from_start_to_quit",
    ),
    24: fault("a newer file", "refused, untouched", f"{_FILES}a_newer_file_is_refused_and_untouched"),
    25: fault(
        "a history of 10,000 turns",
        "searched by its index",
        "test_history_search.py::test_search_reads_the_index_and_not_the_table",
        why="times are measured, not asserted: docs/experiments.md",
    ),
    26: fault(
        "an index out of step", "rebuilt", "test_history_search.py::test_an_index_out_of_sync_is_noticed_and_rebuilt"
    ),
    27: fault(
        "folders open to others",
        "closed, or told",
        "test_doctor.py::test_open_home_and_wrong_settings_are_reported",
        f"{_STORE}a_store_in_a_place_that_others_can_read_is_closed",
        "test_history_store.py::test_files_and_folders_are_private_even_with_a_loose_umask",
    ),
    28: fault(
        "a home on a network drive, without programs, or none",
        "works, or said",
        f"{_DISK}on_a_network_file_system_it_works_without_a_wal",
        f"{_MACHINE}a_home_without_the_right_to_run_programs_works",
        f"{_MACHINE}a_home_that_is_none_is_said_in_words",
    ),
    29: fault(
        "the clock a year back",
        "the order stays",
        "test_history_store.py::test_a_clock_set_back_a_year_changes_no_order",
        f"{_MACHINE}any_clock_will_do_and_the_order_stays",
    ),
    # Models
    30: fault("no model at all", "refused", f"{_REFUSED}content_that_is_no_model_is_refused"),
    31: fault("cut off", "refused", f"{_CORPUS}every_file_of_the_corpus_is_refused_or_survived"),
    32: fault(
        "absurd numbers",
        "refused",
        f"{_HEADER}absurd_sizes_are_not_believed",
        f"{_HEADER}a_header_that_misleads_is_refused",
    ),
    33: fault(
        "0 or 513 blocks",
        "refused; without the check, only the model process dies",
        f"{_CORPUS}what_native_code_dies_of_is_refused_before_it",
        f"{_CORPUS}the_process_alone_holds_every_file_of_the_corpus",
    ),
    34: fault("a tokenizer that does not fit", "refused", f"{_HEADER}a_header_that_misleads_is_refused"),
    35: fault(
        "a template that loops",
        "never executed: the product has its own",
        f"{_CORPUS}a_few_files_that_pass_the_header_check",
    ),
    36: fault(
        "a template that calls the system",
        "never executed",
        f"{_CORPUS}every_file_of_the_corpus_is_refused_or_survived",
    ),
    37: fault(
        "a template that rewrites the prompt",
        "refused by the hash",
        f"{_REFUSED}a_real_file_with_a_swapped_template_is_refused",
    ),
    38: fault(
        "one flipped bit in the weights",
        "refused by the hash",
        f"{_CORPUS}one_bit_anywhere_in_an_approved_file_is_refused_before_it_is_read",
        f"{_REFUSED}a_flipped_bit_is_refused_with_the_way_out",
    ),
    39: fault(
        "weights that are no numbers", "noticed when loading", f"{_LLAMA}weights_that_compute_nonsense_are_noticed"
    ),
    40: fault(
        "a model cut off while it is loaded",
        "only the model process dies",
        "faults/test_other_faults.py::test_a_model_cut_off_while_it_answers_takes_only_its_process_along",
    ),
    41: fault(
        "a pipe, folder or device as a model",
        "refused unopened",
        f"{_REFUSED}a_pipe_never_hangs",
        f"{_REFUSED}folders_devices_and_sockets_are_refused",
    ),
    42: fault("a path that is no text", "refused", f"{_REFUSED}a_path_that_is_not_text_is_refused"),
    43: fault(
        "too little memory",
        "refused with the numbers",
        "test_build.py::test_too_little_memory_names_the_numbers_and_a_context_that_fits",
    ),
    44: fault(
        "the model process killed by the system",
        "started again, said",
        f"{_REMOTE}a_worker_killed_in_mid_reply_is_replaced_and_answers",
        f"{_CORPUS}a_process_killed_from_outside_says_nothing_about_the_file",
        why="it starts with the same context: need is predicted before",
    ),
    45: fault("two questions at once", "one after the other", f"{_LLAMA}two_threads_are_served_one_after_the_other"),
    46: fault(
        "damaged models of speech",
        "refused",
        f"{_SPEECH}all_are_refused_by_the_store",
        f"{_SPEECH}all_are_held_by_their_process",
        f"{_SPEECH}a_few_are_held_by_their_process",
    ),
    # Text
    47: fault("a megabyte pasted", "cut, and said so", f"{_CHAT}a_huge_paste_is_cut_and_said_so"),
    48: fault(
        "a megabyte without spaces",
        "too long, with the numbers",
        "faults/test_other_faults.py::test_a_megabyte_without_spaces_is_too_long_and_said_so",
    ),
    49: fault(
        "a prompt as long as the context",
        "the older half goes, or said",
        "test_session.py::test_a_full_context_drops_the_older_half_and_goes_on",
        f"{_LLAMA}too_long_a_prompt_carries_the_count_of_each_message",
    ),
    50: fault("nothing but spaces", "not sent", f"{_CHAT}nothing_but_white_space_is_not_sent"),
    51: fault(
        "NUL, half characters, no UTF-8",
        "replaced",
        f"{_REMOTE}awkward_text_crosses_the_pipe",
        f"{_ASK}hostile_standard_input",
    ),
    52: fault(
        "reordering and invisible characters",
        "removed",
        f"{_TEXT}directed_sequences",
        f"{_TEXT}no_control_character_survives",
    ),
    53: fault(
        "control tokens in what is said",
        "plain text",
        f"{_LLAMA}control_tokens_in_text_stay_text",
        "test_templates.py::test_message_text_is_never_a_control_marker",
    ),
    54: fault(
        "terminal sequences in a reply",
        "removed",
        "test_privacy_escapes.py::test_directed_sequences_do_not_reach_the_terminal",
        "test_privacy_escapes.py::test_twenty_thousand_random_sequences",
    ),
    55: fault("the same, cut into pieces", "removed", f"{_TEXT}pieces_give_the_same_as_the_whole"),
    56: fault("markup of the screen's library", "plain text", "test_tui_text.py::test_html_and_markup_are_text"),
    57: fault(
        "emoji, right-to-left, long lines",
        "drawn",
        "test_tui_hostile.py::test_directed_and_random_text_is_drawn_without_harm",
    ),
    58: fault("a reply that goes in circles", "ended", f"{_LLAMA}a_reply_that_loops_is_ended"),
    # Files
    59: fault(
        "names with control characters",
        "shown harmlessly",
        f"{_REFUSED}file_names_cannot_reach_the_terminal",
        f"{_STORE}a_name_is_made_from_any_file_name",
        f"{_MACHINE}a_name_that_is_no_text_is_survived",
    ),
    60: fault(
        "a link that leads elsewhere",
        "not followed",
        f"{_REFUSED}a_link_is_not_followed",
        f"{_READING}links_devices_and_pipes_are_not_read",
    ),
    61: fault(
        "archive bombs, locked PDFs",
        "said",
        f"{_READING}a_zip_bomb_ends_in_words",
        f"{_READING}a_pdf_with_a_password",
        f"{_READING}damaged_files",
        f"{_READING}deep_nesting_and_endless_references",
    ),
    62: fault(
        "a file that changes while it is read", "refused", f"{_STORE}a_file_that_grows_while_it_is_read_is_refused"
    ),
    63: fault(
        "a recording that is text",
        "said",
        "faults/test_other_faults.py::test_a_recording_that_is_none_is_said",
    ),
    64: fault("formulas in an export", "none", why="exports are Markdown and JSON; no spreadsheet is written"),
    # Sound
    65: fault("no sound at all", "said what to do", f"{_PULSE}without_any_sound_the_words_say_what_to_do"),
    66: fault("no microphone", "said", f"{_PULSE}without_any_sound_the_words_say_what_to_do"),
    67: fault("a broken sound configuration", "said", f"{_PULSE}a_broken_alsa_configuration_is_told_in_words"),
    68: fault(
        "a microphone pulled out",
        "said, survived",
        f"{_PULSE}a_microphone_pulled_out_while_we_talk_is_told_and_survived",
    ),
    69: fault(
        "another rate",
        "resampled",
        "test_audio_playback.py::test_a_stream_resampled_in_odd_pieces_is_the_same_tone",
        "test_audio_playback.py::test_going_down_in_rate_removes_what_would_fold_back",
    ),
    70: fault(
        "silence, clicks, noise",
        "no turn",
        "test_voice_loop.py::test_noise_is_no_turn_and_the_screen_says_that_nothing_was_understood",
        "test_voice_hearing.py::test_silence_and_noise_say_nothing",
    ),
    71: fault("a speaker that takes nothing", "said", f"{_PULSE}a_speaker_that_takes_no_sound_is_told"),
    # Time and the system
    72: fault(
        "clocks set, summer time, leap days",
        "timers ring once, in time",
        f"{_TIMERS}setting_the_clock_does_not_move_a_timer",
        f"{_TIMERS}an_alarm_follows_the_local_clock_through_dst",
        f"{_MACHINE}any_clock_will_do_and_the_order_stays",
    ),
    73: fault("eight hours of sleep", "rings on waking", f"{_TIMERS}a_suspended_machine_rings_when_it_wakes"),
    74: fault(
        "SIGTERM, SIGHUP, the terminal gone",
        "the reply is saved",
        f"{_TERMINAL}a_signal_commits_the_reply_and_leaves_the_terminal_as_it_was",
        f"{_TERMINAL}a_terminal_that_goes_away_ends_the_app",
    ),
    75: fault(
        "one cell, a dumb terminal, no UTF-8",
        "survived, or said",
        f"{_MESSAGES}every_size_down_to_one_cell_is_survived_while_streaming",
        f"{_TERMINAL}without_a_usable_terminal_it_says_what_to_use_instead",
        f"{_MACHINE}no_locale_breaks_a_reply",
    ),
    76: fault(
        "64 descriptors",
        "enough; with too few, said",
        f"{_MACHINE}sixty_four_descriptors_are_enough",
        f"{_MACHINE}too_few_descriptors_are_no_traceback",
    ),
    77: fault("no room for temporary files", "no harm", f"{_MACHINE}no_room_for_temporary_files_harms_nothing"),
    78: fault(
        "a neighbour at 100 %",
        "slower, never given up",
        "test_governor.py::test_busy_neighbour_costs_a_thread_after_two_slow_tokens",
    ),
    # Others who speak to us
    79: fault(
        "browsers on the local interface",
        "no such interface",
        why="the instance listens on a unix socket alone; there is no HTTP",
    ),
    80: fault(
        "a peer that says nothing",
        "let go",
        "faults/test_other_faults.py::test_peers_that_say_nothing_are_let_go",
        f"{_INSTANCE}malformed_requests_are_answered_and_the_server_lives",
    ),
    81: fault(
        "hostile JSON schemas",
        "refused or obeyed",
        f"{_SCHEMA}every_schema_is_refused_or_obeyed",
        "test_grammar.py::test_hostile_schema_is_refused_with_keyword_and_path",
    ),
    82: fault("a client that goes away", "its turn ends", f"{_INSTANCE}a_client_that_goes_away_cancels_its_turn"),
    83: fault(
        "a tool that raises, hangs or floods",
        "answered in words",
        f"{_VALUES}a_tool_that_raises_or_lies_or_floods_is_answered_in_words",
        f"{_VALUES}a_tool_that_hangs_is_left_alone",
    ),
    84: fault(
        "text that imitates a confirmation",
        "confirms nothing",
        "test_router.py::test_the_models_words_are_never_a_confirmation",
        "test_router.py::test_what_has_consequences_waits_for_the_key",
    ),
    85: fault(
        "a home gateway that lies",
        "told, and another one gets no token",
        "test_gateway.py::test_what_answers_otherwise_is_told",
        "test_gateway_tls.py::test_another_certificate_gets_no_token",
    ),
}
