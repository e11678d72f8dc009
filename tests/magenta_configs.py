"""Magenta 2.1.4's CONFIG_MAP, as far as its configs differ in numbers."""

# The sampling schedule is inverse_sigmoid where there is a
# sampling rate, else constant.
MAGENTA_COLUMNS = (
    *("batch_size", "max_seq_len", "z_size", "enc_rnn_size", "dec_rnn_size"),
    *("free_bits", "max_beta", "beta_rate", "sampling_rate", "dropout_keep_prob"),
)
MAGENTA = {
    "cat-mel_2bar_small": (512, 32, 256, [512], [256] * 2, 0, 0.2, 0.99999, 1000, 1),
    "cat-mel_2bar_big": (512, 32, 512, [2048], [2048] * 3, 0, 0.5, 0.99999, 1000, 1),
    "cat-mel_2bar_med_chords": (512, 32, 256, [1024], [512] * 3, 0, 1, 0, 0, 1),
    "cat-drums_2bar_small": (512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 1000, 1),
    "cat-drums_2bar_big": (512, 32, 512, [2048], [2048] * 3, 48, 0.2, 0, 1000, 1),
    "nade-drums_2bar_reduced": (512, 32, 256, [1024], [512] * 2, 48, 0.2, 0, 1000, 1),
    "nade-drums_2bar_full": (512, 32, 256, [1024], [512] * 2, 48, 0.2, 0, 1000, 1),
    "flat-trio_16bar": (256, 256, 512, [2048] * 2, [2048] * 3, 0, 1, 0, 0, 1),
    "hierdec-trio_16bar": (256, 256, 512, [2048] * 2, [1024] * 2, 256, 0.2, 0, 0, 1),
    "hier-trio_16bar": (256, 256, 512, [1024], [1024] * 2, 256, 0.2, 0, 0, 1),
    "flat-mel_16bar": (512, 256, 512, [2048] * 2, [2048] * 3, 256, 0.2, 0, 0, 1),
    "hierdec-mel_16bar": (512, 256, 512, [2048] * 2, [1024] * 2, 256, 0.2, 0, 0, 1),
    "hier-mel_16bar": (512, 256, 512, [1024], [1024] * 2, 256, 0.2, 0, 0, 1),
    "hier-multiperf_vel_1bar_med": (256, 512, 512, [1024], [512] * 3, 0, 1, 0, 0, 1),
    "hier-multiperf_vel_1bar_big": (256, 512, 512, [2048], [1024] * 3, 0, 1, 0, 0, 1),
    "hier-multiperf_vel_1bar_med_chords": (
        *(256, 512, 512, [1024], [512] * 3, 0, 1, 0, 0, 1),
    ),
    "hier-multiperf_vel_1bar_big_chords": (
        *(256, 512, 512, [2048], [1024] * 3, 0, 1, 0, 0, 1),
    ),
    "groovae_4bar": (512, 64, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    "groovae_2bar_humanize": (512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    "groovae_2bar_tap_fixed_velocity": (
        *(512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    ),
    "groovae_2bar_tap_fixed_velocity_note_dropout": (
        *(512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    ),
    "groovae_2bar_add_closed_hh": (512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    "groovae_2bar_hits_control_tfds": (
        *(512, 32, 256, [512], [256] * 2, 48, 0.2, 0, 0, 0.3),
    ),
}
