"""What is true without a microscope: phases, electron optics, scattering, dose."""
