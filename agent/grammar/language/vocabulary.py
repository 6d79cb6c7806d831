# ruff: noqa: E501 (tables of words)
"""The vocabulary: words and phrases of English and German, each with the one thing it stands for. Tables only."""

from typing import Final

SOFT: Final = frozenset(
    {"FILLER", "STAGE", "SAMPLE", "BEAM", "PLACE", "TO", "BY", "AT", "EACH", "POLITE", "QUICK", "UP", "DOWN",
     "OF", "AND", "SETTING", "SIZE", "IT", "MORE", "ON", "QUESTION", "FOR", "UNIT", "ONE", "AXIS", "MODE", "SURE",
     "DIRECTION", "APPROX"}
)  # fmt: skip
"""Concepts that may be left over without a person being asked about them."""

CONCEPTS: Final[dict[str, str]] = {
    "FILLER": """the an of please pls plz could can you i we want would like me my our us is are be been was were do
        does did done this that these those here there so just some any its also too but with from into onto over
        as which whose has have had will shall should may might must let lets go_ahead now currently present actual
        thing things way well ok okay hey hi hello dear kindly need needs needed got give gives using through via per
        very really then_ right_now right_away right_here all_right as_well at_once immediately quickly if_possible
        thanks thank thank_you thx cheers bitte danke der die das den dem des ein eine einen einem einer eines
        ich wir du sie mir mich uns dir ist sind war waren wird werden mal doch noch_mal jetzt gerade hier dort da
        von vom zur zum im am ans beim ins mit ohne_weiteres fuer durch ueber unter_ dass so wie_ es sich hallo bitteschoen
        moechte will_ wuerde haben hat hatte kann koennen koenntest kannst koennte sollte sollen soll muss bitte_mal
        einfach nur auch schon sowie again once one_more_time erneut nochmal nochmals wieder only fresh new neue neues
        neuen neuer what_you_have you_have already yet have_got ready system agent eucentric computer assistant
        microscope mikroskop instrument stem tem make_sure be_sure try follow following folgende folgendes such
        whole_field full_field standard default defaults normal usual regular typical simple single good nice
        guten morgen tag mein meine meinen deine dein ihr ihre pro je value values wert werte parameters parameter
        settings einstellungen conditions bedingungen using_the dann_ zuerst erst first firstly start starting begin
        zunaechst initially ok_now lot bit_of sowas something etwas_wie thereof hence therefore same gleiche gleichen
        selbe derselben each_time stored existing vorhandene vorhandenen gespeicherte gespeicherten nachdem
        total overall insgesamt altogether gesamt own quality high_quality much many_thanks lang long wide
        large big small gross grosse grosses klein kleine kleines breit breite hoch_ high across dimension
        gebracht abgegeben deposited ab aus heran aktuelle aktueller aktuellen aktuelles momentan momentane if_needed wenn_moeglich falls_moeglich received seen absorbed accumulated gotten collected_so_far so_far far bisher abbekommen bekommen up_to_now
        hand side seite richtung_von taken wurde worden gemacht aufgenommen recorded have_you we_have yesterday_s
        because since weil damit so_that in_order then_please tonight heute today whether ob out off_the
        aber jedoch dabei however their deren dessen would_it_be_possible waere_es_moeglich grateful_if_you_could if_you_could if_you_would wenn_es_geht grateful i_d i_ll i_m we_d we_ll let_s sofort unverzueglich different verschiedene verschiedenen brauche brauchen wuensche on_average im_mittel im_durchschnitt im_schnitt
        perhaps vielleicht maybe kurz short shortly eben pretty bald soon rather mir_bitte wants wish get_me
        """,
    "ONE": "one ones",
    "IT": "it them they him her ihn ihm sie_alle",
    "AND": "and und plus_ & sowie_auch",
    "OF": "of_the",
    "ON": "on an",
    "FOR": "for fuer_",
    "AT": "at bei in in_a",
    "TO": "to auf nach zu until_ onto_",
    "BY": "by um further weitere weiteren weiter another additional relative relativ more_by noch",
    "MORE": "more mehr extra",
    "ABSOLUTE": "absolute absolut coordinates coordinate koordinaten coords coord",
    "EACH": "each every_one jeweils jedem jeder jedes jede everywhere overall_ all alle_ ueberall each_of all_of"
            " at_each on_each at_every_position for_each per_position",
    "SURE": "sure certain confident confidence sicher uncertainty interval unsicherheit genau exactly how_sure",
    "ODD": "beam_off_axis off-axis",
    "KEEP": "halt_dich halte_dich afford tolerate keep keeping stay staying bleib bleibe bleiben bleibst remain remaining",
    "HIGHRES": "high-res hi-res high_res hi_res highres hires hochaufgeloest hochaufgeloeste hochaufgeloesten",
    "POLITE": "i_trust",
    "QUICK": "quick fast schnell schnelles schnelle rapid rasch",
    "APPROX": "about approximately around roughly circa ca approx etwa ungefaehr rund",
    "MODE": "mode modus channel kanal signal detector detectors detektor detektoren",
    "DIRECTION": "direction directions richtung axis_direction along entlang axis achse axes achsen",
    "SETTING": "using_settings with_a",
    "SIZE": "size resolution_ groesse sized width breite_ edge kante height_ square quadrat area_ region_",
    "QUESTION": "what whats where wheres which_ how who when why was wo welche welcher welches wie wieviel wann warum"
                " wieviele how_many how_much are_there gibt_es tell tell_me show show_me display zeig zeige zeigen sag sage sagen list read"
                " lies what_is what_are was_ist wie_ist wie_viel wie_viele let_me_know explain know wissen read_out"
                " nenne nenn query check ask wie_hoch wie_gross wie_lange how_long give_me",
    "NOT": "not no dont don_t do_not doesn_t never without nicht kein keine keinen keiner ohne nie niemals"
           " avoid vermeide skip omit except ausser leave_out lass_weg ueberspringe mustn_t shouldn_t cannot",
    "IF": "if wenn falls sobald whenever in_case sofern provided unless until bis_dass once_it as_soon_as",
    "THEN": "then afterwards after_that next finally dann danach anschliessend zuletzt subsequently followed_by"
            " schliesslich lastly when_done and_then und_dann hinterher im_anschluss darauf daraufhin abschliessend"
            " secondly thirdly zweitens drittens and_finally zum_schluss",
    # stopping and blanking
    "STOP": "stop abort halt cancel anhalten abbrechen abbruch stopp stoppen stoppe sofort_stoppen emergency notaus nothalt"
            " aufhoeren hoer_auf brich_ab breche_ab quit freeze terminate kill arret stop_it stop_now panic alto pare"
            " notstopp stoppt halte_an beende beenden estop e_stop notstop einhalten cease interrupt unterbrich unterbreche unterbrechen",
    "BLANK": "blende blank blanke blanken austasten ausblenden beam_off strahl_aus strahl_wegschalten strahl_weg blanked dunkeltasten tast_aus"
             " taste_aus shut_off_the_beam beam_blank blanker blende_aus beam_blanker blank_beam abschirmen cut_the_beam cut_beam cut_the_electron_beam cut_off_the_beam cut_off_the_electron_beam cut_off_beam close_the_beam",
    "TURN_OFF": "turn_off switch_off shut_off shut turn_it_off schalte_aus ausschalten abschalten schalte_ab",
    "UNBLANK": "unblank unblanke beam_on strahl_an unblanking entblanken beam_back_on einblenden unblanken",
    # stage
    "MOVE": "move moves moving shift go drive translate travel bring step jog pan bewege bewegen bewegt bewegung verschiebe"
            " verschieben verschieb fahre fahren fahr verfahre verfahren schiebe schieben gehe geh gehen nudge position_the"
            " displace offset navigate send ruecke ruecken versetze versetzen moved shifting rueber steuere head center_on",
    "RAISE": "raise increase erhoehe erhoehen anheben hebe heben increment hochsetzen",
    "LOWER": "lower decrease reduce verringere verringern reduziere reduzieren senke senken absenken decrement",
    "TILT": "tilt tilting kippe kippen verkippe verkippen neige neigen kipp tilts kippung verkippung neigung tilted",
    "ROTATE": "rotate rotation drehe drehen rotiere",
    "STAGE": "buehne stage goniometer tisch probentisch probenhalter holder halter specimen_stage",
    "SAMPLE": "sample specimen probe proben praeparat objekt object material_ membrane_ grid_",
    "X": "x x-axis dx xachse",
    "Y": "y dy yachse",
    "Z": "z dz zachse z-height height hoehe zhoehe",
    "ALPHA": "alpha α a-tilt dalpha alphakippung alphatilt",
    "BETA": "beta β b-tilt dbeta betakippung betatilt",
    "RIGHT": "right rechts rightward rightwards",
    "LEFT": "left links leftward leftwards",
    "UP": "up oben upward upwards hoch aufwaerts rauf hinauf nach_oben",
    "DOWN": "down unten downward downwards runter abwaerts herunter hinunter nach_unten",
    "NEGATIVE": "minus negative negativ negativer",
    "POSITIVE": "plus positive positiv positiver",
    "ZERO": "home origin neutral nullposition nullpunkt ursprung grundstellung nullstellung zero null centre_position flat",
    "BACK": "back return returning zurueck zurueckfahren revert restore rueckkehr kehre_zurueck go_back come_back",
    "SAVE": "save store remember mark merke merken speichere speichern bookmark memorize memorise sichern sichere markiere"
            " markieren speicher keep_in_mind",
    "SAVED": "saved stored_position remembered marked gespeichert gemerkte bookmarked gemerkt",
    "POSITION": "position positions coordinates_ stelle ort posi stagepos pos",
    "PLACE": "place places area areas region regions surroundings surrounding neighbourhood neighborhood vicinity umgebung nachbarschaft umfeld spot location locations bereich gebiet field_ places_ stellen bereiche"
             " points point punkt punkte",
    "NAMED": "named called name namens names unter_dem_namen genannt label labelled",
    "ALITTLE": "a_bit slightly a_little little etwas ein_wenig ein_bisschen bisschen somewhat a_touch touch a_tad tad wenig"
               " leicht some_more a_small_amount bit",
    # optics
    "SET": "dreh drehe_ schalte schalt set use change adjust put apply switch stelle setze setzen aendere aendern nimm_ verwende benutze nutze use_a"
           " einstellen stell setz choose select_ configure waehle dial turn with_ einstellung benutzen verwenden",
    "DOUBLE": "double verdopple verdoppeln verdoppele twice doppelt",
    "HALVE": "halve halbiere halbieren",
    "CURRENT": "probe_current beam_current current_setting strahlstrom sondenstrom strom probenstrom amperage current beamcurrent"
               " probecurrent",
    "DEFOCUS": "defocus defokus defokussierung underfocus unterfokus overfocus ueberfokus defocusing defokussieren",
    "FOV": "fov field_of_view field-of-view field view bildfeld sehfeld gesichtsfeld fieldofview fields_of_view bildausschnitt"
           " field_size feldgroesse bildbreite image_width scan_width frame_width frame_size scan_size scan_field image_size edge_length side_length"
           " kantenlaenge seitenlaenge bildgroesse scanfeld feld fovs",
    "BEAM": "beam strahl electron_beam elektronenstrahl",
    "BEAMSHIFT": "beam_shift image_shift strahlverschiebung beamshift strahl_verschieben",
    "DWELL": "dwell dwell_time dwelltime pixel_time pixel_dwell verweilzeit verweildauer per_pixel pixelzeit pixel_dwell_time"
             " pro_pixel belichtungszeit_pro_pixel haltezeit dwells",
    "FRAMETIME": "frame_time scan_time exposure_time exposure total_time bildzeit belichtungszeit belichtung aufnahmezeit"
                 " acquisition_time per_frame_time",
    "PIXELSIZE": "pixel_size pixelsize pixelgroesse sampling per_px pixel_spacing pixel_pitch",
    "PX": "px pixel pixels pix resolution aufloesung pixeln",
    "MANY": "many viele many_pixels more_pixels lots fine feine fein high_sampling vielen",
    # imaging
    "ACQUIRE": "see sehen take acquire capture grab snap shoot collect make mach mache machen nimm nehme nehmen aufnehmen erfasse erfassen"
               " photograph fotografiere fotografieren knipse mach_mir obtain produce perform do_a run_a execute tue tu taking"
               " acquiring get run do_ erstelle erstellen gib generate doing take_a record nimm_auf nehm durchfuehren fuehre_durch",
    "IMAGE": "image images picture pictures photo photos micrograph micrographs shot bild bilder aufnahme aufnahmen"
             " foto fotos abbildung abbildungen imaging scan scans snapshot pic pics photograph_ bilde abbilden scanne imaged"
             " mikrograph image_of pictur img imgs scannen bildes fotografie",
    "FRAME": "frame frames einzelbilder einzelbild repeats passes scans_ frames_of durchlaeufe",
    "SERIES": "series serie bilderserie stack stapel sequence sequenz burst time_series zeitserie bildserie multi-frame"
              " multiframe movie video film bildfolge reihe",
    "AVERAGE": "average averaged averaging mittle mitteln gemittelt sum summed add_up accumulate drift-corrected driftcorrected drift_corrected drift_correction driftkorrektur"
               " summe summiere aufsummieren integrate mittelwert mittelung driftkorrigiert addiere summieren mitteln_ueber mean",
    "HAADF": "haadf hadf adf annular_dark_field high-angle_annular_dark-field z-contrast z_contrast zkontrast darkfield dark_field"
             " dunkelfeld dunkelfeldbild high_angle",
    "BF": "bf brightfield bright_field hellfeld hellfeldbild bright",
    "ABF": "abf annular_bright_field annularbrightfield",
    "MAADF": "maadf medium-angle laadf dpc idpc df4 segmented",
    "BOTH": "both_detectors all_detectors beide_detektoren beiden_detektoren allen_detektoren both beide beiden simultaneously",
    "OVERVIEW": "overview uebersicht uebersichtsbild uebersichtsaufnahme low-mag low_mag low_magnification",
    "ATOMIC": "atomic_resolution atomic-resolution atomically atomic atomar atomarer atomare atomare_aufloesung lattice_resolution"
              " of_atoms atom-resolved atomically_resolved atomaufgeloest gitteraufloesung atomic_scale lattice atomauflösend"
              " atomic-scale single_atoms of_the_atoms atomaufloesung lattice-resolved atomic_res atomgenau"
              " atomar_aufgeloest atomar_aufgeloeste atomar_aufgeloesten atomar_aufgeloester atomar_aufgeloestes",
    "ATOMS": "atoms atom columns column atome saeulen atomsaeulen atomen",
    "EVERY": "every alle jede_n all_ alle_je",
    "CONTINUE_FOR": "continue_for duration during dauer waehrend lasting for_a_total continuing fuer_insgesamt weitermachen_fuer",
    "UNTIL": "until bis",
    "AUTOFOCUS": "autofocus auto-focus refocus focus focusing focussing focused fokussiere fokussieren fokus scharfstellen scharf"
                 " autofokus fokussier refokussieren focussed fokussierung nachfokussieren stelle_scharf scharfstellung"
                 " auto_focus in_focus refocusing scharfgestellt autofocusing find_focus focus_it refokussiere",
    "RANGE": "range bereich_von focus_range search_range",
    "BESIDE": "beside next_to neben nebenan daneben away adjacent off_to_the_side nebendran",
    # campaigns
    "SURVEY": "survey surveying map mosaic montage ueberblick kartiere kartieren mosaik durchmustere uebersichtskarte"
              " overview_map look_around have_a_look_around take_a_look_around atlas stitch scan_over screening screen rastere abrastern",
    "GRID": "grid raster gitter tiles tile kacheln kachel array matrix positions_grid grid_of mesh rasters",
    "PITCH": "separated pitch spacing apart abstand schrittweite step_size steps distance schritten rasterabstand schritte rastermass"
             " spaced abstaenden raster_pitch separation interval_of",
    "OVERLAP": "overlap ueberlapp ueberlappung overlapping",
    "FLAKE": "flake flakes island islands flocke flocken plaettchen nanosheet nanosheets sheet sheets crystallite crystallites"
             " platelet platelets kristallite flakelets thin_flake inseln",
    "PARTICLE": "particle particles nanoparticle nanoparticles teilchen partikel nanopartikel np nps nanorod nanorods precipitate"
                " precipitates nanoteilchen",
    "MONOLAYER": "monolayer monolayers single-layer single_layer singlelayer einlagig einlagige einlagigen monolage monolagen"
                 " one-layer einzellage einzellagen monolayered monolagig monolagige monolagigen 1l einzellagig single_layers single-layers one-layered monolayern einzelne_lagen",
    "BILAYER": "bilayer bilayers double-layer double_layer zweilagig zweilagige zweilagigen doppellage doppellagen two-layer",
    "TRILAYER": "trilayer trilayers triple-layer dreilagig dreilagige dreilagigen three-layer",
    "LAYERS": "layer layers lagen lage schichten schicht layered lagig lagige",
    "FEWLAYER": "few-layer few_layer multilayer multilayers mehrlagig fewlayer",
    "FIND": "find locate search look_for search_for finde finden suche suchen identify pick choose_ select spot_ hunt aufspueren"
            " such look wanted pick_out lokalisiere have_a_look take_a_look",
    "REVISIT": "revisit go_back_to return_to come_back_to visit besuche_erneut zurueck_zu zurueck_zu_den besuche",
    "WORST": "worst most_defective most_defects highest_density defect-rich schlechteste schlechtesten defektreichste"
             " defektreichsten highest_defect_density most_vacancies most_damaged defective schlimmsten highest-density"
             " most_defected",
    "BEST": "best sharpest cleanest highest_quality besten beste schaerfsten best_quality nicest_places top schoensten clearest",
    "RANK": "rank ranking sort rangliste sortiere ordne rate bewerte sortieren ranked",
    "REPORT": "report write_report bericht reports protokoll_schreiben summary summarise summarize zusammenfassung berichte"
              " write_a_report write_up write schreibe schreib verfasse schreiben bericht_schreiben zusammenfassen",
    # analysis
    "DETECT": "detect detection detecting analyse analyze analysis erkenne erkennen erkennung analysiere analysieren count counts"
              " counting zaehle zaehlen zaehl evaluate bestimme bestimmen quantify determine auswerten werte_aus ermittle characterise characterize charakterisiere counted gezaehlt auszaehlen quantified determined analysed analyzed"
              " measure messen miss untersuche inspect estimate schaetze schaetzen quantifiziere analysis_of berechne calculate",
    "VACANCY": "vacancy vacancies leerstelle leerstellen fehlstelle fehlstellen missing_atoms missing_atom fehlende_atome vacany"
               " missing_columns vakanz vakanzen",
    "DEFECT": "defect defects defekt defekte defekten point_defects punktdefekte fehler defekterkennung defect_detection imperfection"
              " imperfections",
    "DENSITY": "density concentration dichte konzentration leerstellendichte fraction vacancy_density anteil"
               " vacancy_concentration defektdichte vacancy_statistics defect_statistics leerstellenstatistik defect_density leerstellenkonzentration densities",
    "LAST": "last latest previous recent letzte letzten letztem letztes most_recent zuletzt_aufgenommene vorige vorigen current_image"
            " letzter just_taken you_just_took just",
    "RECALL": "recall trefferquote detection_rate detection_probability",
    "PRECISION": "precision accuracy genauigkeit praezision error_bar error_bars half-width confidence_interval",
    "RECOMMEND": "recommend recommended recommendation recommends suggest suggestion advise advice empfiehl empfehle"
                 " empfehlen empfehlung vorschlag",
    "DISLOCATION": "dislocation dislocations grain_boundary grain_boundaries versetzung versetzungen korngrenze korngrenzen"
                   " stacking_fault stacking_faults stapelfehler twin_boundary grain_size dopant dopants substitution"
                   " substitutional antisite adatom adatoms interstitial interstitials dotierung",
    "CELL": "lattice_constant lattice_constants lattice_parameter lattice_parameters lattice_spacing lattice_spacings unit_cell"
            " lattice_vectors crystal_lattice measure_lattice the_lattice its_lattice lattice_of lattice_strain strain strains"
            " the_lattice_constant its_lattice_constant the_lattice_parameter its_lattice_parameter the_lattice_spacing"
            " its_lattice_spacing the_lattice_vectors the_lattice_strain the_lattice_parameters the_lattice_constants"
            " strain_map strain_maps map_the_strain map_strain strain_mapping gitterkonstante gitterkonstanten gitterparameter"
            " gitterabstand gitterabstaende elementarzelle kristallgitter gitterverzerrung verzerrung dehnung miss_das_gitter das_gitter",
    # reads
    "STATUS": "status state zustand state_of status_report",
    "LOG": "log logbook history ledger events protokoll verlauf logs happened passiert journal ereignisse audit logbuch",
    "RUNS": "runs laeufe",
    "FINDINGS": "findings finding results result ergebnisse ergebnis befunde",
    "LIMITS": "limits limit grenzen grenze bounds travel_range travel restrictions beschraenkungen limitierungen limitations",
    "BUDGET": "budget dose_budget dosisbudget allowance dose_limit dosisgrenze dosislimit",
    "DOSE": "dose doses dosis electron_dose elektronendosis fluence dosage total_dose exposure_dose gesamtdosis dosen",
    "BELOW": "below under less_than at_most max maximum maximal hoechstens unter up_to not_more_than no_more_than upto within"
             " weniger_als nicht_mehr_als unterhalb maximally < ≤ bis_zu stay_below keep_below smaller_than small_than low_than less_as obergrenze upper_limit upper_bound lower_than not_above not_over not_higher_than no_higher_than geringer_als niedriger_als nicht_ueber nicht_hoeher_als kleiner_als not_exceed"
             " not_exceeding without_exceeding limit_of limited_to ceiling cap under_a_budget_of",
    "ABOVE": "above at_least more_than larger_than bigger_than minimum mindestens groesser_als > ≥ wider_than min_size larger"
             " bigger over_ groesser not_smaller_than ueber_",
    "PREDICT": "would_a would_it would_an predict predicted wuerde_ein kostet cost costs kosten how_long_would vorhersage"
               " voraussichtlich how_long_does would_that wuerde_eine",
    "LOWDOSE": "less_dose weniger_dosis lower_dose reduced_dose low_dose lowdose low-dose niedrige_dosis geringe_dosis niedriger_dosis geringer_dosis dosisarm gentle gently"
               " schonend minimal_dose dosisarme kleine_dosis low_electron_dose little_dose as_little_dose minimum_dose"
               " kleiner_dosis dose-efficient dosisschonend",
    "BURN": "burn damage destroy kill_ verbrennen beschaedigen zerstoeren harm break_ destroying damaging burning hurt kaputt"
            " beschaedige verbrenne ruin damaged",
    "BETTER": "noisy blurry unscharf verrauscht better nicer sharper clearer improve improved besser besseres bessere schaerfer schaerferes schoener schoeneres"
              " klareres klarer prettier cleaner verbessere verbessern less_noisy improving enhance optimise optimize schoenes"
              " optimiere crisper good_quality beautiful bessers less_blurry",
    "ZOOM": "zoom zoome zoomen magnify enlarge heranzoomen reinzoomen zoom_in zoom_out vergroessere closer close-up vergroessern"
            " zoomed naeher",
    "INTERESTING": "interesting interessant interessante interessanten weird strange komisch seltsam anything_unusual unusual odd"
                   " interessantes suspicious",
    "SUITABLE": "suitable proper appropriate geeignet geeignete reasonable sensible passend passende",
    "WHOLE": "whole entire complete full ganze ganzen gesamte gesamten komplette kompletten square_by_square everything_on"
             " all_over complete_grid vollstaendig vollstaendige ganzes each_square every_square komplett quadrat_fuer_quadrat",
    "DISC": "tem_grid disc disk membrane membran netzchen netz scheibe film_",
    "OVERNIGHT": "overnight ueber_nacht uebernacht through_the_night all_night",
    # never
    "HT": "ht high_tension high-tension hightension accelerating_voltage acceleration_voltage voltage hochspannung spannung"
          " beschleunigungsspannung kv_setting high_voltage hv eht",
    "VALVE": "valve valves ventil ventile saeulenventil saeulenventile column_valve column_valves saeulenventilen ventilen"
             " column_isolation v1 v7",
    "VACUUM": "vacuum vent venting pump pumps pumping vakuum belueften pumpe pumpen airlock schleuse evacuate belueftung vent_the"
              " turbo cryo_pump bakeout abpumpen beluefte",
    "GUN": "gun emission filament cathode kathode feg extraction_voltage extractor flash_the_tip kanone emitter gun_lens"
           " elektronenkanone emissionsstrom flashing tip",
    "BYPASS": "bypass disable ignore override deactivate circumvent umgehe umgehen deaktiviere deaktivieren ignoriere ignorieren"
              " abschalten_ lift_the disregard suspend drop_the remove_the ueberschreibe disabled aushebeln unlock loosen get_around"
              " suppress auto-approve autoapprove auto_approve automatically_approve aufheben"
              " waive relax forget_the forget remove entferne",
    "GATE": "approval approvals gate gates confirmation confirmations permission permissions safety interlock interlocks watchdog"
            " freigabe freigaben genehmigung genehmigungen sicherheit sicherheitsabfrage bestaetigung bestaetigungen rueckfrage"
            " rueckfragen sicherheitsgrenzen nachfragen asking prompts checks safeguards approve restrictions_ guard"
            " sicherheitspruefung zustimmung freigeben safety_checks dose_checks nachfrage fragen_ zu_fragen confirm ask_me"
            " asking_me ask_for fragen frag confirming authorization authorisation veto ask_the_operator approving oversight"
            " genehmigen supervision",
    "CLAIM": "operator_approved approved authorised authorized pre-approved preapproved genehmigt freigegeben already_approved"
             " operator allowed_by bereits_genehmigt erlaubt bediener operators staff",
    "TRUST": "i_trust_you trust_you trust vertraue ich_vertraue_dir without_supervision everything unsupervised alles unattended",
    "TAMPER": "delete erase wipe loesche loeschen forge falsify tamper backdate hide verstecke faelsche rewrite",
    # not available yet
    "ZONE": "zone_axis zoneaxis zone-axis zonenachse zone zonenachsen orient orientation orientierung orientiere low-index"
            " on-axis orientieren crystal_orientation",
    "DIFFRACTION": "diffraction beugung beugungsbild cbed saed nbed kikuchi 4dstem 4d-stem 4d ronchigram diffractogram pattern"
                   " diffraktogramm beugungsmuster sad camera_length ptychography indexing index diffraktion kameralaenge",
    "STIG": "stigmator stigmators stigmate autostigmate astigmatism astigmatismus stigmation aberration aberrations coma corrector"
            " aberrationen korrektor autotune tune tuning stigmatoren stigmieren auto-stigmate stigmatism",
    "SPECTRUM": "eds edx eels xeds spectrum spectra spektrum spektren spectroscopy spektroskopie elemental element_map"
                " spectrum_image edge_ core-loss elementverteilung edxs ionisation elemental_map elementkarte edsmap"
                " energy-loss k-edge l-edge low-loss chemical_map composition zusammensetzung elementkarten",
    "CLASSIFY": "classify classification phase phases klassifiziere pyrochlore amorphous crystalline amorph kristallin perovskite"
                " klassifizieren phasen amorphe segment segmentation pyrochlor amorphen mineral identify_the_phase klasse class"
                " fluorite spinel rutile anatase cluster clustering similar",
    "CRYSTALLINITY": "crystal crystallinity crystals kristall kristallinitaet kristalle order",
    "FILE": "file document notes notizen datei dokument pdf protocol_file textfile",
    "LOADFILE": "load open lade laden oeffne oeffnen einlesen import lese oeffnet opens upload",
    "DESCRIBE": "text burned burnt overlay annotation label_ caption written geschrieben steht beschriftung eingebrannt say says"
                " describe beschreibe beschreiben legend watermark eingebrannte",
    "MAGNIFICATION": "magnification mag vergroesserung magnifications",
    "TOMO": "tomography tomogram tomographie tilt_series kippserie tomogramm 3d",
    "REPEATRUN": "repeat replay wiederhole wiederholen rerun re-run redo wiederholung",
    "RESUME": "resume continue where_it_stopped where_you_stopped pick_up_where fortsetzen weitermachen weiter_machen"
              " where_it_left_off where_we_left_off setze_fort fortfahren mach_weiter carry_on proceed where_you_left_off continuing_"
              " wo_es_aufgehoert_hat wo_du_aufgehoert_hast weitermachen_wo keep_going continues",
    "STOPPEDAT": "where_it_stopped_ stopped crashed interrupted unterbrochen abgestuerzt aufgehoert left_off crash aborted paused"
                 " abgebrochen angehalten gestoppt",
    "RUN": "run_number lauf run_no runs_",
    "YESTERDAY": "yesterday yesterdays gestern gestrigen gestrige",
    "NOTIFY": "wake wecke weck email e-mail call_me notify ruf_an sms alert telephone slack benachrichtige message_me text_me"
              " mail informiere ping phone beep",
    "EXCHANGE": "exchange insert swap wechsle einsetzen probenwechsel unload eject change_the_sample change_sample load_the_sample"
                " load_sample probe_wechseln probe_einschleusen einschleusen retract withdraw ausschleusen load_the_holder"
                " load_holder new_sample new_specimen neue_probe neuen_probe",
    "HEAT": "heat heating cool cooling temperature temperatur heizen kuehlen bias biasing heize cryo gas electrical heater laser",
    "MANIPULATE": "sculpt drill cut mill bohre pattern_ write_with drive_atoms manipulate deposit bohren schneide fabricate etch",
}  # fmt: skip
"""Concept -> its words; `_` stands for a blank, a trailing one keeps a reading on record without using it."""

NUMBER_WORDS: Final = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "hundred": 100, "dozen": 12, "null": 0, "eins": 1, "zwei": 2, "zwo": 2, "drei": 3, "vier": 4, "fuenf": 5,
    "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwoelf": 12, "zwanzig": 20,
    "dreissig": 30, "fuenfzig": 50, "hundert": 100, "couple": 2,
}  # fmt: skip
GERMAN_WORDS: Final = """der die das den dem ein eine einen einem und ist sind bitte nach mach mache dann bild bilder probe nimm
bewege kippe mit auf wo wie welche letzten letzte zeige fahre strahl rechts links finde zähle suche bei von zum zur alle jede
sekunden minuten setze stelle speichere zurück im nicht kein aufnahme dosis aus sofort stopp grad autofokus schreibe mir ich wir
danach anschließend leerstellen"""
