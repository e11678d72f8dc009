"""The page to play in: a local web server around trained models (`music_vae_serve`)."""
